"""The tables of a study, read back from its folder."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from instrerank.errors import InputError
from instrerank.evaluation.means import mean
from instrerank.study.configuration import System
from instrerank.study.rows import (
    CellMean,
    FailedRun,
    FamilyRobustness,
    Hypothesis,
    InstructionEffect,
    Interaction,
    ProbeRate,
    RankFlip,
    Robustness,
    Row,
    TopicScore,
    system,
)
from instrerank.study.table_files import read_table

MODES = {"fixed": "Fixed candidates", "retrieve": "Retrieval with each query"}
"""Titles of the modes, which never share a table."""

_Row = TypeVar("_Row", bound=Row, covariant=True)


class Sourced(NamedTuple, Generic[_Row]):
    """A row, and where it was read: `tables/<mode>/<table>.csv:<line>`."""

    row: _Row
    source: str


@dataclass(frozen=True)
class Tables:
    """The tables of one mode.

    Attributes:
        mode: `fixed` or `retrieve`.
        measures: those that the page shows in full: nDCG@10 (or the study's first measure), then the recall with the
            largest cut-off that the perturbations of the answer change; recall at the depth of fixed candidates
            cannot change.
        topics: scores by the first of `measures` only.
    """

    mode: str
    measures: tuple[str, ...]
    cells: Sequence[Sourced[CellMean]]
    topics: Sequence[Sourced[TopicScore]]
    robustness: Sequence[Sourced[Robustness]]
    families: Sequence[Sourced[FamilyRobustness]]
    hypotheses: Sequence[Sourced[Hypothesis]]
    instructions: Sequence[Sourced[InstructionEffect]]
    failed: Sequence[Sourced[FailedRun]]
    rank_flips: Sequence[Sourced[RankFlip]] = ()
    interactions: Sequence[Sourced[Interaction]] = ()
    probes: Sequence[Sourced[ProbeRate]] = ()

    def __repr__(self) -> str:
        return f"Tables({self.mode!r}, measures={self.measures}, systems={list(map(str, self.systems))})"

    @property
    def systems(self) -> list[System]:
        """The systems that were run on perturbed queries, in the order of the study."""
        met = {system(row) for row, _ in self.robustness}
        return [each for each in dict.fromkeys(system(row) for row, _ in self.cells) if each in met]

    @functools.cached_property
    def invariant(self) -> set[str]:
        """The perturbations that make up the family `invariance`."""
        return {row.perturbation for row, _ in self.robustness if row.in_invariance}

    @property
    def hardest(self) -> str | None:
        """The one of `invariant` with the largest loss by the first measure, as a mean over systems."""
        changes: dict[str, list[float]] = {}
        for row, _ in self.robustness:
            if row.perturbation in self.invariant and row.measure == self.measures[0]:
                changes.setdefault(row.perturbation, []).append(row.difference)
        return min(changes, key=lambda name: (mean(changes[name]), name), default=None)


def read_tables(folder: Path) -> list[Tables]:
    """Read the tables of a study's folder, one `Tables` per mode.

    Raises:
        InputError: no tables, a missing column, or a value of the wrong type.
    """
    modes = [mode for mode in MODES if (folder / "tables" / mode / "cells.csv").is_file()]
    if not modes:
        files = " or ".join(f"tables/{mode}/cells.csv" for mode in MODES)
        raise InputError(f"{folder} is not a study: no {files}; give the output folder of `instrerank study`")
    return [_read_mode(folder, mode) for mode in modes]


def _read_mode(folder: Path, mode: str) -> Tables:
    cells = list(_read(folder, mode, "cells", CellMean))
    if not cells:
        raise InputError(f"{folder}/tables/{mode}/cells.csv is empty: run the study first (`instrerank study`)")
    robustness = list(_read(folder, mode, "robustness", Robustness))
    measures = _headline(cells, robustness)
    return Tables(
        mode,
        measures,
        cells,
        [found for found in _read(folder, mode, "topics", TopicScore) if found.row.measure == measures[0]],
        robustness,
        list(_read(folder, mode, "families", FamilyRobustness)),
        list(_read(folder, mode, "hypotheses", Hypothesis)),
        list(_read(folder, mode, "instructions", InstructionEffect)),
        list(_read(folder, mode, "failed", FailedRun)),
        list(_read(folder, mode, "rank_flips", RankFlip)),
        list(_read(folder, mode, "interactions", Interaction)),
        list(_read(folder, mode, "probes", ProbeRate)),
    )


def _read(folder: Path, mode: str, name: str, row_type: type[_Row]) -> Iterator[Sourced[_Row]]:
    path = f"tables/{mode}/{name}.csv"
    for line, row in enumerate(read_table(folder / path, row_type), start=2):
        yield Sourced(row, f"{path}:{line}")


def _headline(cells: Iterable[Sourced[CellMean]], robustness: Iterable[Sourced[Robustness]]) -> tuple[str, ...]:
    known = list(dict.fromkeys(row.measure for row, _ in cells))
    moved = {row.measure for row, _ in robustness if row.difference and row.in_invariance}
    first = ["ndcg_cut_10"] if "ndcg_cut_10" in known else known[:1]
    recalls = [measure for measure in known if measure.startswith("recall_") and measure in moved]
    last = max(recalls, key=cut_off, default=first[0])
    return tuple(dict.fromkeys([*first, last]))


def cut_off(measure: str) -> int:
    """Return k of `recall_k`."""
    return int(measure.removeprefix("recall_"))
