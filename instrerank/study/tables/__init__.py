"""The tables of a study, computed from its results (columns in `study/rows.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from instrerank.study.results import Results
from instrerank.study.rows import Row
from instrerank.study.tables.hypotheses import hypothesis_rows
from instrerank.study.tables.instructions import instruction_rows
from instrerank.study.tables.interactions import interaction_rows
from instrerank.study.tables.rank_flips import rank_flip_rows
from instrerank.study.tables.robustness import family_rows, robustness_rows
from instrerank.study.tables.scores import cell_rows, topic_rows

__all__ = ["all_tables"]


def all_tables(results: Results, *, progress: bool = False) -> dict[str, Sequence[Row]]:
    """Return the tables of one mode by name, except `failed`; with a progress bar if asked for."""
    from tqdm import tqdm

    tables: dict[str, Callable[[Results], Sequence[Row]]] = {
        "cells": cell_rows,
        "topics": topic_rows,
        "robustness": robustness_rows,
        "families": family_rows,
        "hypotheses": hypothesis_rows,
        "rank_flips": rank_flip_rows,
        "interactions": interaction_rows,
        "instructions": instruction_rows,
    }
    bar = tqdm(tables.items(), desc=f"tables, {results.mode}", unit="table", disable=not progress)
    return {name: rows(results) for name, rows in bar}
