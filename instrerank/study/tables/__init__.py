"""The tables of a study, computed from its results (columns in `study/rows.py`)."""

from __future__ import annotations

from collections.abc import Sequence

from instrerank.study.results import Results
from instrerank.study.rows import Row
from instrerank.study.tables.hypotheses import hypothesis_rows
from instrerank.study.tables.instructions import instruction_rows
from instrerank.study.tables.robustness import family_rows, robustness_rows
from instrerank.study.tables.scores import cell_rows, topic_rows

__all__ = ["all_tables"]


def all_tables(results: Results) -> dict[str, Sequence[Row]]:
    """Return the tables of one mode by name, except `failed`."""
    return {
        "cells": cell_rows(results),
        "topics": topic_rows(results),
        "robustness": robustness_rows(results),
        "families": family_rows(results),
        "hypotheses": hypothesis_rows(results),
        "instructions": instruction_rows(results),
    }
