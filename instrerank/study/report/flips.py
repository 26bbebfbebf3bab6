"""Rank flips on the page: a sentence of the answer, and the table of pairs by family below it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from markupsafe import Markup

from instrerank.study.configuration import System
from instrerank.study.report.labels import measure_label, number, system_label
from instrerank.study.report.reading import Sourced, Tables
from instrerank.study.rows import INVARIANCE, RankFlip, system_pair

_NAMED = 3
"""Pairs that the sentence names, those most likely to flip first."""


class FlipTable(NamedTuple):
    """The flips by the first measure.

    Attributes:
        families: `invariance` first.
        rows: by pair of systems and family, those most likely to flip first.
    """

    families: list[str]
    rows: dict[tuple[System, System], dict[str, Sourced[RankFlip]]]


def flip_table(tables: Tables) -> FlipTable:
    """Return the flips of each pair of systems under each family, by the first measure."""
    found = [each for each in tables.rank_flips if each.row.measure == tables.measures[0]]
    families = sorted(dict.fromkeys(row.family for row, _ in found), key=lambda family: family != INVARIANCE)
    rows: dict[tuple[System, System], dict[str, Sourced[RankFlip]]] = {}
    for each in sorted(found, key=lambda each: (each.row.family != INVARIANCE, -(each.row.probability or 0))):
        rows.setdefault(system_pair(each.row), {})[each.row.family] = each
    return FlipTable(families, rows)


def flip_sentences(tables: Tables) -> Iterator[Markup]:
    """Yield how many pairs are in another order under perturbation, and which are most likely to be."""
    table = flip_table(tables)
    found = [by_family[INVARIANCE] for by_family in table.rows.values() if INVARIANCE in by_family]
    if not found:
        return
    flipped = sum(each.row.flipped for each in found)
    pairs = "1 pair" if len(found) == 1 else f"{len(found)} pairs"
    text = Markup("{}, order of systems: <strong>perturbed queries reverse {} of {}</strong>.").format(
        measure_label(tables.measures[0]), flipped or "none", pairs
    )
    named = [
        Markup("{} above {} {}").format(*map(system_label, system_pair(each.row)), number(each, "probability"))
        for each in found[:_NAMED]
        if each.row.probability is not None
    ]
    if named:
        text += Markup(" Probability that the order on clean queries flips: {}").format(Markup("; ").join(named))
        text += Markup(" (the {} most likely of {}).").format(_NAMED, pairs) if len(found) > _NAMED else Markup(".")
    yield text
