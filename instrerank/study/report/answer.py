"""The answer of a study in sentences, no wider than its tests."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from instrerank.study.report.labels import measure_label, number, system_label
from instrerank.study.report.reading import Sourced, Tables
from instrerank.study.rows import INVARIANCE, FamilyRobustness, Hypothesis, InstructionEffect, system, system_pair

LEVEL = 0.05
"""Corrected p below this is called significant."""


def sentences(tables: Tables) -> Iterator[Markup]:
    """Yield what one mode says: each pair of systems by each headline measure, or else each system's own change."""
    keys = [(measure, INVARIANCE) for measure in tables.measures]
    hypotheses = [it for key in keys for it in tables.hypotheses if (it.row.measure, it.row.perturbation) == key]
    families = [it for key in keys for it in tables.families if (it.row.measure, it.row.family) == key]
    if hypotheses:
        yield from map(_compared, hypotheses)
    elif not families:
        yield Markup("No perturbation that should leave the ranking alone was run, so there is no drop to tell of.")
    else:
        yield from map(_changed, families)
        alone = "Only one system met them" if len(tables.systems) == 1 else "No systems were tested against each other"
        yield Markup("{}: the study does not say which is more robust.").format(alone)
    yield from (_followed(found) for found in tables.instructions if found.row.measure == "p_mrr")


def _compared(found: Sourced[Hypothesis]) -> Markup:
    """Return the sentence of one pair: the verdict first, then what it rests on."""
    row = found.row
    a, b = map(system_label, system_pair(row))
    if row.corrected_p is None:
        same = row.low == row.high == 0
        words = "{} and {} lose the same on every topic" if same else "{} and {} cannot be tested against each other"
        verdict = Markup("<strong>" + words + "</strong>").format(a, b)
    elif row.corrected_p >= LEVEL:
        verdict = Markup("<strong>no significant difference between {} and {}</strong>").format(a, b)
    else:
        better, worse = (b, a) if row.difference > 0 else (a, b)
        verdict = Markup("<strong>{} is more robust than {}</strong> (significant)").format(better, worse)
    text = Markup("{}: {}. Perturbed queries cost {} {} and {} {} on average over {} topics").format(
        *(measure_label(row.measure), verdict, a, number(found, "drop_a"), b, number(found, "drop_b")),
        number(found, "topics"),
    )
    if row.corrected_p is None:
        return text + "."
    return text + Markup(", a difference of {} ({}corrected p = {}).").format(
        number(found, "difference"), _interval(found), number(found, "corrected_p")
    )


def _changed(found: Sourced[FamilyRobustness]) -> Markup:
    """Return the sentence of one system against its own clean queries."""
    row = found.row
    relative = number(found, "relative") + Markup(" of the clean value")
    return Markup("{}: under perturbed queries <strong>{}</strong> goes from {} to {}, a change of {} ({}{}).").format(
        measure_label(row.measure),
        system_label(system(row)),
        *(number(found, column) for column in ("clean", "perturbed", "difference")),
        _interval(found),
        relative if row.relative is not None else "no relative change",
    )


def _followed(found: Sourced[InstructionEffect]) -> Markup:
    """Return how far an encoder follows a change of the instruction."""
    return Markup("{}: <strong>{}</strong> has {} ({}{} topics); above 0, it follows the change.").format(
        *(measure_label(found.row.measure), found.row.encoder),
        *(number(found, "mean"), _interval(found), number(found, "topics")),
    )


def _interval(found: Sourced[FamilyRobustness] | Sourced[Hypothesis] | Sourced[InstructionEffect]) -> Markup:
    if found.row.low is None or found.row.high is None:
        return Markup("no interval over one topic; ")
    return Markup("95% interval {} to {}; ").format(number(found, "low"), number(found, "high"))
