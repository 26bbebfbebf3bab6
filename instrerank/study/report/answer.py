"""The answer of a study in sentences, no wider than its tests."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from instrerank.study.report.labels import measure_label, number, system_label
from instrerank.study.report.reading import Family, Hypothesis, Instruction, System, Tables, system

LEVEL = 0.05
"""Corrected p below this is called significant."""


def sentences(tables: Tables) -> Iterator[Markup]:
    """Yield what one mode says: each pair of systems by each headline measure, or else each system's own change."""
    wanted = [(measure, "invariance") for measure in tables.measures]
    hypotheses = [row for each in wanted for row in tables.hypotheses if (row.measure, row.perturbation) == each]
    families = [row for each in wanted for row in tables.families if (row.measure, row.family) == each]
    if hypotheses:
        yield from map(_compared, hypotheses)
    elif not families:
        yield Markup("No perturbation that should leave the ranking alone was run, so there is no drop to tell of.")
    else:
        yield from map(_changed, families)
        alone = "Only one system met them" if len(tables.systems) == 1 else "No systems were tested against each other"
        yield Markup("{}: the study does not say which is more robust.").format(alone)
    yield from (_followed(row) for row in tables.instructions if row.measure == "p_mrr")


def _compared(row: Hypothesis) -> Markup:
    """Return the sentence of one pair: the verdict first, then what it rests on."""
    a = system_label(System(row.encoder_a, row.instructions_a))
    b = system_label(System(row.encoder_b, row.instructions_b))
    if row.difference is None or row.corrected_p is None:
        same = row.difference is not None and row.low == row.high == 0
        words = "{} and {} lose the same on every topic" if same else "{} and {} cannot be tested against each other"
        verdict = Markup("<strong>" + words + "</strong>").format(a, b)
    elif row.corrected_p >= LEVEL:
        verdict = Markup("<strong>no significant difference between {} and {}</strong>").format(a, b)
    else:
        better, worse = (b, a) if row.difference > 0 else (a, b)
        verdict = Markup("<strong>{} is more robust than {}</strong> (significant)").format(better, worse)
    text = Markup("{}: {}. Perturbed queries cost {} {} and {} {} on average over {} topics").format(
        *(measure_label(row.measure), verdict, a, number(row, "drop_a"), b, number(row, "drop_b")),
        number(row, "topics"),
    )
    if row.corrected_p is None:
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


def _followed(row: Instruction) -> Markup:
    """Return how far an encoder follows a change of the instruction."""
    return Markup("{}: <strong>{}</strong> has {} ({}{} topics); above 0, it follows the change.").format(
        measure_label(row.measure), row.encoder, number(row, "mean"), _interval(row), number(row, "topics")
    )


def _interval(row: Family | Hypothesis | Instruction) -> Markup:
    if row.low is None or row.high is None:
        return Markup("no interval over one topic; ")
    return Markup("95% interval {} to {}; ").format(number(row, "low"), number(row, "high"))
