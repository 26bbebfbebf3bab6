"""Shared by the tables: scores compared topic by topic, and p corrected over a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from instrerank.evaluation.means import mean
from instrerank.evaluation.significance import Comparison, compare, corrected
from instrerank.study.plan import Cell
from instrerank.study.results import Scores
from instrerank.study.rows import Hypothesis, InstructionEffect, Interaction, Robustness

_Tested = TypeVar("_Tested", Robustness, Hypothesis, Interaction, InstructionEffect)


def compared(scores: Scores, baseline: Scores) -> Comparison:
    """Compare scores by qid with a baseline on the same topics, without the randomisation test."""
    return compare(scores, baseline, randomisation=False)


def with_corrected_p(rows: Sequence[_Tested]) -> list[_Tested]:
    """Correct p by Holm over all rows with the same measure."""
    corrected_p: dict[int, float | None] = {}
    for measure in dict.fromkeys(row.measure for row in rows):
        family = [index for index, row in enumerate(rows) if row.measure == measure]
        corrected_p |= zip(family, corrected([rows[index].p for index in family]), strict=True)
    return [row._replace(corrected_p=corrected_p[index]) for index, row in enumerate(rows)]


def is_invariance(cell: Cell) -> bool:
    """Return whether the perturbation of a cell is part of the family `invariance`."""
    perturbation = cell.variation.perturbation
    return (
        perturbation is not None
        and perturbation.expects == "invariance"
        and not perturbation.needs_review
        and not cell.variation.of_instruction
    )


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are not None, or None without any."""
    known = [value for value in values if value is not None]
    return mean(known) if known else None
