"""The table `rank_flips`: whether a family of perturbations reverses the order of two systems."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instrerank.evaluation.rank_flips import Flip, rank_flips
from instrerank.study.configuration import System
from instrerank.study.plan import Cell
from instrerank.study.results import Results
from instrerank.study.rows import RankFlip
from instrerank.study.tables.robustness import families


def rank_flip_rows(results: Results) -> list[RankFlip]:
    """Return for each pair of systems, family and measure the order and the probability that it flips.

    Every pair that was run on the same perturbations counts: a study that ranks systems ranks all of them. Only query
    sets that both systems were run on count.
    """
    cases: list[_Case] = []
    for pair in combinations([system for system in results.systems if results.draws(system)], 2):
        clean = [results.clean(system) for system in pair]
        grouped = [families(results, system) for system in pair]
        for family in [each for each in grouped[0] if each in grouped[1]]:
            members = list(_shared(*(found[family] for found in grouped)))
            if not members:
                continue
            for measure in results.scores[clean[0]]:
                cases.append(_case(results, pair, family, measure, clean, members))
    alike: dict[Any, list[int]] = {}
    for at, case in enumerate(cases):
        alike.setdefault((len(case.before), *(draws.shape for draws in case.after)), []).append(at)
    flips: dict[int, Flip] = {}
    for places in alike.values():
        before = np.stack([cases[at].before for at in places])
        after = [np.stack(draws) for draws in zip(*(cases[at].after for at in places), strict=True)]
        flips |= dict(zip(places, rank_flips(before, after), strict=True))
    return [_row(case, flips[at]) for at, case in enumerate(cases)]


class _Case(NamedTuple):
    """A pair, the better one on clean queries first, with its differences by topic before and after."""

    pair: tuple[System, System]
    family: str
    measure: str
    before: NDArray[np.float64]
    after: list[NDArray[np.float64]]


def _shared(one: Sequence[list[Cell]], other: Sequence[list[Cell]]) -> list[list[tuple[Cell, Cell]]]:
    """Return, by perturbation, the pairs of cells with the same query set."""
    cells = {cell.variation.label: cell for draws in other for cell in draws}
    pairs = [[(cell, cells[cell.variation.label]) for cell in draws if cell.variation.label in cells] for draws in one]
    return [each for each in pairs if each]


def _case(
    results: Results,
    pair: tuple[System, System],
    family: str,
    measure: str,
    clean: Sequence[Cell],
    members: Sequence[Sequence[tuple[Cell, Cell]]],
) -> _Case:
    def difference(a: Cell, b: Cell) -> NDArray[np.float64]:
        other = results.scores[b][measure]
        return np.array([score - other[qid] for qid, score in results.scores[a][measure].items()])

    before = difference(clean[0], clean[1])
    sign = -1.0 if before.mean() < 0 else 1.0
    after = [sign * np.array([difference(*cells) for cells in draws]) for draws in members]
    return _Case(pair if sign > 0 else pair[::-1], family, measure, sign * before, after)


def _row(case: _Case, flip: Flip) -> RankFlip:
    a, b = case.pair
    return RankFlip(
        *a,
        *b,
        family=case.family,
        perturbations=len(case.after),
        query_sets=sum(map(len, case.after)),
        measure=case.measure,
        topics=len(case.before),
        clean=flip.clean,
        perturbed=flip.perturbed,
        flipped=flip.flipped,
        probability=flip.probability,
    )
