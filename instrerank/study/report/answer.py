"""The answer of a study in sentences, no wider than its tests."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from instrerank.study.report.data import Family, Hypothesis, Results, System, system
from instrerank.study.report.labels import measure_label, number, system_label

LEVEL = 0.05
"""Corrected p below this is called significant."""


def sentences(results: Results) -> Iterator[Markup]:
    """Yield what one mode says: each pair of systems by each headline measure, or else each system's own change."""
    hypotheses = [
        row
        for measure in results.measures
        for row in results.hypotheses
        if row.perturbation == "invariance" and row.measure == measure
    ]
    families = [
        row
        for measure in results.measures
        for row in results.families
        if row.family == "invariance" and row.measure == measure
    ]
    if hypotheses:
        yield from map(_compared, hypotheses)
        return
    yield from map(_changed, families)
    if not families:
        yield Markup("No perturbation that should leave the ranking alone was run, so there is no drop to tell of.")
    elif len(results.systems) == 1:
        yield Markup("Only one system was run: the study does not say whether another is more robust.")
    else:
        yield Markup("No systems were tested against each other: the study does not say which is more robust.")


def _compared(row: Hypothesis) -> Markup:
    """Return the sentence of one pair: the verdict first, then what it rests on."""
    a = system_label(System(row.encoder_a, row.instructions_a))
    b = system_label(System(row.encoder_b, row.instructions_b))
    tested = row.difference is not None and row.corrected_p is not None
    if not tested:
        verdict = Markup("<strong>{} and {} cannot be tested against each other</strong>").format(a, b)
    elif row.corrected_p >= LEVEL:
        verdict = Markup("<strong>no significant difference between {} and {}</strong>").format(a, b)
    else:
        better, worse = (b, a) if row.difference > 0 else (a, b)
        verdict = Markup("<strong>{} is more robust than {}</strong> (significant)").format(better, worse)
    text = Markup("{}: {}. Perturbed queries cost {} {} and {} {} on average over {} topics").format(
        *(measure_label(row.measure), verdict, a, number(row, "drop_a"), b, number(row, "drop_b")),
        number(row, "topics"),
    )
    if not tested:
        return text + "."
    return text + Markup(", a difference of {} ({}corrected p = {}).").format(
        number(row, "difference"), _interval(row), number(row, "corrected_p")
    )


def _changed(row: Family) -> Markup:
    """Return the sentence of one system against its own clean queries."""
    return Markup("{}: under perturbed queries <strong>{}</strong> goes from {} to {}, a change of {} ({}{}).").format(
        measure_label(row.measure),
        system_label(system(row)),
        *(number(row, column) for column in ("clean", "perturbed", "difference")),
        _interval(row),
        number(row, "relative") + Markup(" of the clean value") if row.relative is not None else "no relative change",
    )


def _interval(row: Family | Hypothesis) -> Markup:
    if row.low is None or row.high is None:
        return Markup("no interval; ")
    return Markup("95% interval {} to {}; ").format(number(row, "low"), number(row, "high"))
