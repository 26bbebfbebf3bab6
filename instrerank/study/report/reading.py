"""The tables of a study, read back from its folder as typed rows."""

from __future__ import annotations

import csv
import functools
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple, TypeVar

from instrerank.errors import InputError

MODES = {"fixed": "Fixed candidates", "retrieve": "Retrieval with each query"}
"""Mode to its title; the two never share a table."""


class System(NamedTuple):
    """An encoder under one condition of instructions (`none`, `own`, …)."""

    encoder: str
    instructions: str


class Cell(NamedTuple):
    """A row of `cells`: one run's mean of one measure. `source` is `tables/<mode>/<table>.csv:<line>` in every row."""

    source: str
    encoder: str
    instructions: str
    perturbation: str
    measure: str
    topics: int | None
    mean: float | None
    run: str


class TopicScore(NamedTuple):
    """A row of `topics`: one topic's score in one run."""

    source: str
    encoder: str
    instructions: str
    perturbation: str
    seed: str
    qid: str
    score: float | None


class Robustness(NamedTuple):
    """A row of `robustness`: a system under one perturbation, seeds averaged within topics."""

    source: str
    encoder: str
    instructions: str
    perturbation: str
    family: str
    expects: str
    in_invariance: str
    measure: str
    changed_share: float | None
    clean: float | None
    perturbed: float | None
    difference: float | None
    relative: float | None
    low: float | None
    high: float | None
    p: float | None
    corrected_p: float | None
    effect_size: float | None
    wins: int | None
    ties: int | None
    losses: int | None
    worst_case: float | None
    sd_over_seeds: float | None
    success_rate: float | None
    overlap_10: float | None
    rbo: float | None
    tau: float | None


class Family(NamedTuple):
    """A row of `families`: a system's mean over the perturbations of a family."""

    source: str
    encoder: str
    instructions: str
    family: str
    measure: str
    clean: float | None
    perturbed: float | None
    difference: float | None
    relative: float | None
    low: float | None
    high: float | None
    worst_case: float | None


class Hypothesis(NamedTuple):
    """A row of `hypotheses`: the drops of two systems compared topic by topic."""

    source: str
    encoder_a: str
    instructions_a: str
    encoder_b: str
    instructions_b: str
    perturbation: str
    measure: str
    topics: int | None
    drop_a: float | None
    drop_b: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    corrected_p: float | None
    effect_size: float | None


class Instruction(NamedTuple):
    """A row of `instructions`: a condition of instructions against none, on clean queries."""

    source: str
    encoder: str
    instructions: str
    measure: str
    topics: int | None
    mean: float | None
    none: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    corrected_p: float | None


class Failed(NamedTuple):
    """A row of `failed`: a run that is not there, and why."""

    source: str
    encoder: str
    instructions: str
    perturbation: str
    seed: str
    reason: str


Row = Cell | TopicScore | Robustness | Family | Hypothesis | Instruction | Failed
_Row = TypeVar("_Row", Cell, TopicScore, Robustness, Family, Hypothesis, Instruction, Failed)


@dataclass(frozen=True)
class Tables:
    """The tables of one mode.

    Attributes:
        mode: `fixed` or `retrieve`.
        measures: those the page shows in full: nDCG@10 (or the study's first measure), then the recall with the
            largest cut-off at which any perturbation changes it.
        topics: scores by the first of `measures` only.
    """

    mode: str
    measures: tuple[str, ...]
    cells: Sequence[Cell]
    topics: Sequence[TopicScore]
    robustness: Sequence[Robustness]
    families: Sequence[Family]
    hypotheses: Sequence[Hypothesis]
    instructions: Sequence[Instruction]
    failed: Sequence[Failed]

    @property
    def systems(self) -> list[System]:
        """The systems that met perturbed queries, in the order of the study."""
        met = {system(row) for row in self.robustness}
        return [each for each in dict.fromkeys(map(system, self.cells)) if each in met]

    @functools.cached_property
    def invariant(self) -> set[str]:
        """The perturbations that the family `invariance` stands for."""
        return {row.perturbation for row in self.robustness if row.in_invariance == "True"}

    @property
    def hardest(self) -> str | None:
        """The one of `invariant` that costs most by the first measure, as a mean over systems."""
        changes: dict[str, list[float]] = {}
        for row in self.robustness:
            if row.perturbation in self.invariant and row.measure == self.measures[0] and row.difference is not None:
                changes.setdefault(row.perturbation, []).append(row.difference)
        return min(changes, key=lambda name: (fmean(changes[name]), name), default=None)


def system(row: Cell | TopicScore | Robustness | Family | Instruction | Failed) -> System:
    """Return the system of a row."""
    return System(row.encoder, row.instructions)


def read_tables(folder: Path) -> list[Tables]:
    """Read the tables of a study's folder, one `Tables` for each mode that it has.

    Raises:
        InputError: no tables, a column that is missing, or a value that is no number.
    """
    modes = [mode for mode in MODES if (folder / "tables" / mode / "cells.csv").is_file()]
    if not modes:
        wanted = " or ".join(f"tables/{mode}/cells.csv" for mode in MODES)
        raise InputError(f"{folder} holds no study: there is no {wanted}; give the --output of `instrerank study`")
    return [_read_mode(folder, mode) for mode in modes]


def _read_mode(folder: Path, mode: str) -> Tables:
    def read(name: str, row_type: type[_Row], keep: Callable[[dict[str, str]], bool] = lambda _: True) -> list[_Row]:
        return _read_table(folder, f"tables/{mode}/{name}.csv", row_type, keep)

    cells = read("cells", Cell)
    if not cells:
        raise InputError(f"{folder}/tables/{mode}/cells.csv has no rows: run the study first (`instrerank study`)")
    robustness = read("robustness", Robustness)
    measures = _headline(cells, robustness)
    return Tables(
        mode,
        measures,
        cells,
        read("topics", TopicScore, lambda record: record["measure"] == measures[0]),
        robustness,
        read("families", Family),
        read("hypotheses", Hypothesis),
        read("instructions", Instruction),
        read("failed", Failed),
    )


def _headline(cells: Iterable[Cell], robustness: Iterable[Robustness]) -> tuple[str, ...]:
    known = list(dict.fromkeys(cell.measure for cell in cells))
    moved = {row.measure for row in robustness if row.difference}
    first = ["ndcg_cut_10"] if "ndcg_cut_10" in known else known[:1]
    recalls = [measure for measure in known if measure.startswith("recall_")]
    last = max(recalls, key=lambda measure: (measure in moved, cut_off(measure)), default=first[0])
    return tuple(dict.fromkeys([*first, last]))


def cut_off(measure: str) -> int:
    """Return k of `recall_k`."""
    return int(measure.removeprefix("recall_"))


def _read_table(folder: Path, name: str, row_type: type[_Row], keep: Callable[[dict[str, str]], bool]) -> list[_Row]:
    """Read the columns of `row_type` from a CSV file; a file that is not there has no rows."""
    path = folder / name
    if not path.exists():
        return []
    hints = typing.get_type_hints(row_type)
    columns = {column: hint for column, hint in hints.items() if column != "source"}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise InputError(
                f"{path}: no column {', '.join(missing)}; write the tables anew with `instrerank study --resume`"
            )
        return [
            row_type(f"{name}:{line}", *(_value(path, line, c, record[c], hint) for c, hint in columns.items()))
            for line, record in enumerate(reader, start=2)
            if keep(record)
        ]


def _value(path: Path, line: int, column: str, text: str, hint: Any) -> Any:
    """Return a cell as its column's type: text, or a number, None where the cell is empty."""
    if not isinstance(hint, types.UnionType):
        return text
    try:
        return hint.__args__[0](text) if text else None
    except ValueError:
        raise InputError(f"{path}, line {line}: {column} is {text!r}, which is no number") from None
