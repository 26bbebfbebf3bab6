"""The answer of a study in sentences that claim no more than its tests and intervals show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from instrerank.study.report.flips import flip_sentences
from instrerank.study.report.interactions import interaction_sentences
from instrerank.study.report.labels import measure_label, number, stars, system_label
from instrerank.study.report.reading import Sourced, Tables
from instrerank.study.report.shortcuts import shortcut_sentences
from instrerank.study.rows import (
    INVARIANCE,
    FamilyRobustness,
    Hypothesis,
    InstructionEffect,
    Robustness,
    system,
    system_pair,
)

LEVEL = 0.05
"""Corrected p below this is called significant."""

_APART = 0.1
"""Difference of two systems' relative changes from which a perturbation is named in the answer."""

_NAMED = 8
"""Perturbations that are listed by name; of more, their number."""

_EXCEPTIONS = 3
"""Single perturbations that one sentence names."""


def sentences(tables: Tables) -> Iterator[Markup]:
    """Yield the answer of one mode: what it is about, pairs or systems, flips, interactions, shortcuts, p-MRR."""
    keys = [(measure, INVARIANCE) for measure in tables.measures]
    hypotheses = [it for key in keys for it in tables.hypotheses if (it.row.measure, it.row.perturbation) == key]
    families = [it for key in keys for it in tables.families if (it.row.measure, it.row.family) == key]
    if not hypotheses and not families:
        yield Markup("No meaning-preserving perturbation of the query was run, so nothing can be said on robustness.")
    elif scope := _scope(tables):
        yield scope
    if hypotheses:
        for measure in tables.measures:
            yield from _pairs(tables, [found for found in hypotheses if found.row.measure == measure])
    elif families:
        yield from map(_changed, families)
        alone = "Only one system was run on them" if len(tables.systems) == 1 else "No systems were compared"
        yield Markup("{}: the study does not show which system is more robust.").format(alone)
    yield from flip_sentences(tables)
    yield from interaction_sentences(tables, LEVEL)
    yield from shortcut_sentences(tables, LEVEL)
    yield from (_followed(tables, found) for found in tables.instructions if found.row.measure == "p_mrr")


def _pairs(tables: Tables, hypotheses: Sequence[Sourced[Hypothesis]]) -> Iterator[Markup]:
    """Yield the sentences of pairs by one measure: significant ones first, those without any difference in one."""
    alike = [found for found in hypotheses if _is_alike(found.row)]
    others = [found for found in hypotheses if len(alike) == 1 or not _is_alike(found.row)]
    yield from (_compared(tables, found) for found in sorted(others, key=lambda found: not _is_significant(found.row)))
    if len(alike) > 1:
        pairs = "; ".join(" and ".join(map(system_label, system_pair(found.row))) for found in alike)
        yield Markup("{}: <strong>{} pairs of systems lose the same on every topic</strong>: {}.").format(
            measure_label(alike[0].row.measure), len(alike), pairs
        )


def _is_alike(row: Hypothesis) -> bool:
    return row.corrected_p is None and row.low == row.high == 0


def _is_significant(row: Hypothesis) -> bool:
    return row.corrected_p is not None and row.corrected_p < LEVEL


def _scope(tables: Tables) -> Markup | None:
    """Return which perturbations the answer is about, and which were run but are excluded."""
    every = dict.fromkeys(row.perturbation for row, _ in tables.robustness)
    included = [name for name in every if name in tables.invariant]
    excluded = [name for name in every if name not in tables.invariant]
    if not included:
        return None
    text = Markup("“Perturbed” is the mean over {}.").format(_listed(included))
    if excluded:
        text += Markup(
            " <strong>Excluded</strong>: {}, which may change the meaning or change the instruction."
        ).format(_listed(excluded))
    return text


def _listed(names: Sequence[str]) -> str:
    count = f"{len(names)} perturbation{'s' if len(names) > 1 else ''}"
    return f"{count} ({', '.join(names)})" if len(names) <= _NAMED else f"{count} (see “By perturbation”)"


def _compared(tables: Tables, found: Sourced[Hypothesis]) -> Markup:
    """Return the sentences of one pair: the verdict on drops, who scores higher, the numbers, the exceptions."""
    row = found.row
    a, b = map(system_label, system_pair(row))
    if row.corrected_p is None:
        words = (
            "{} and {} lose the same on every topic"
            if _is_alike(row)
            else "{} and {} cannot be tested against each other"
        )
        verdict = Markup("<strong>" + words + "</strong>").format(a, b)
    elif row.corrected_p >= LEVEL:
        verdict = Markup("<strong>no significant difference in robustness between {} and {}</strong>").format(a, b)
    else:
        better, worse = (b, a) if row.difference > 0 else (a, b)
        verdict = Markup("<strong>{} is more robust than {}</strong> (significant)").format(better, worse)
    levels, numbers = _levels(tables, found)
    text = Markup("{}: {}{}. {} Drop: {} against {} over {} topics").format(
        *(measure_label(row.measure), verdict, levels, numbers, number(found, "drop_a"), number(found, "drop_b")),
        number(found, "topics"),
    )
    if row.corrected_p is not None:
        text += Markup(", difference {} ({}corrected p = {})").format(
            number(found, "difference"), _interval(found), number(found, "corrected_p")
        )
    return text + "." + _partial_scope(tables, row) + _exceptions(tables, row)


def _levels(tables: Tables, found: Sourced[Hypothesis]) -> tuple[Markup, Markup]:
    """Return which system scores higher under perturbation, and the scores of both; empty if they are not known."""
    row = found.row
    pair = system_pair(row)
    known = {
        system(each.row): each
        for each in tables.families
        if (each.row.measure, each.row.family) == (row.measure, INVARIANCE)
    }
    if not set(pair) <= known.keys():
        return Markup(), Markup()
    a, b = (known[each] for each in pair)
    names = [system_label(each) for each in pair]
    numbers = Markup("{} goes from {} (clean) to {} (perturbed), {} from {} to {}.").format(
        *(names[0], number(a, "clean"), number(a, "perturbed")),
        *(names[1], number(b, "clean"), number(b, "perturbed")),
    )
    # as far as the printed digits show
    if round(a.row.perturbed, 4) == round(b.row.perturbed, 4):
        return Markup("; both score the same on perturbed queries"), numbers
    higher = names[0] if a.row.perturbed > b.row.perturbed else names[1]
    more_robust = None
    if _is_significant(row):
        more_robust = names[1] if row.difference > 0 else names[0]
    if more_robust in (None, higher):
        return Markup("; {} scores higher on perturbed queries").format(higher), numbers
    return Markup(", <strong>but {} scores higher on perturbed queries</strong>").format(higher), numbers


def _partial_scope(tables: Tables, pair: Hypothesis) -> str:
    """Return over which perturbations a pair was compared, if not over all of the family `invariance`."""
    rows = [
        row for row, _ in tables.hypotheses if row.measure == pair.measure and system_pair(row) == system_pair(pair)
    ]
    shared = [row.perturbation for row in rows if row.perturbation in tables.invariant]
    if not shared or set(shared) == tables.invariant:
        return ""
    return f" Both were run on {len(shared)} of {len(tables.invariant)} perturbations only: {', '.join(shared)}."


def _exceptions(tables: Tables, pair: Hypothesis) -> Markup:
    """Return the perturbations that differ from the verdict.

    In these the two systems differ significantly; or their relative changes differ by `_APART` and one of the two is
    significant.
    """
    systems = system_pair(pair)
    effects = {
        (each.row.perturbation, system(each.row)): each
        for each in tables.robustness
        if each.row.measure == pair.measure
    }
    tested = {
        row.perturbation: _is_significant(row)
        for row, _ in tables.hypotheses
        if row.measure == pair.measure and system_pair(row) == systems
    }
    cells: list[tuple[float, str, Sourced[Robustness], Sourced[Robustness]]] = []
    for name in dict.fromkeys(perturbation for perturbation, _ in effects):
        a, b = (effects.get((name, each)) for each in systems)
        if a is None or b is None or a.row.relative is None or b.row.relative is None:
            continue
        gap = b.row.relative - a.row.relative
        one_significant = any(
            (each.row.corrected_p or 1) < LEVEL for each in (a, b) if each.row.corrected_p is not None
        )
        if not tested.get(name) and not (one_significant and abs(gap) >= _APART):
            continue
        # a significant verdict has exceptions only in the other direction
        if not _is_significant(pair) or gap * pair.difference < 0:
            cells.append((-abs(gap), name, a, b))
    if not cells:
        return Markup()
    cells.sort(key=lambda cell: cell[:2])
    shown = Markup("; ").join(
        Markup("{} {}{} against {}{}").format(
            *(
                name if name in tables.invariant else f"{name} (excluded)",
                number(a, "relative"),
                stars(a.row.corrected_p),
                number(b, "relative"),
                stars(b.row.corrected_p),
            )
        )
        for _, name, a, b in cells[:_EXCEPTIONS]
    )
    more = f" (and {len(cells) - _EXCEPTIONS} more)" if len(cells) > _EXCEPTIONS else ""
    return Markup(" <strong>But not under every perturbation</strong>: {}{}.").format(shown, more)


def _changed(found: Sourced[FamilyRobustness]) -> Markup:
    """Return the sentence of one system against its own clean queries."""
    row = found.row
    relative = number(found, "relative") + Markup(" of the clean score")
    return Markup("{}: <strong>{}</strong> goes from {} (clean) to {} (perturbed), a change of {} ({}{}).").format(
        measure_label(row.measure),
        system_label(system(row)),
        *(number(found, column) for column in ("clean", "perturbed", "difference")),
        _interval(found),
        relative if row.relative is not None else "no relative change",
    )


def _followed(tables: Tables, found: Sourced[InstructionEffect]) -> Markup:
    """Return whether an encoder follows a change of the instruction, as far as the interval shows it."""
    row = found.row
    if row.low is None or row.high is None:
        verdict = "cannot be tested with one topic"
    elif row.low > 0:
        verdict = "follows the changed instruction"
    elif row.high < 0:
        verdict = "moves against the changed instruction"
    else:
        verdict = "shows no evidence of following the changed instruction: the interval contains 0"
    text = Markup("{}: <strong>{} {}</strong>. {} ({}{} topics); above 0 would be in line with the change.").format(
        *(measure_label(row.measure), row.encoder, verdict, number(found, "mean")),
        *(_interval(found), number(found, "topics")),
    )
    for kept in tables.instructions:
        if (kept.row.measure, kept.row.encoder) == ("p_mrr_kept", row.encoder) and (kept.row.low or 0) > 0:
            text += Markup(" But passages that stay relevant move down too: {} ({}{} topics).").format(
                number(kept, "mean"), _interval(kept), number(kept, "topics")
            )
    return text


def _interval(found: Sourced[FamilyRobustness] | Sourced[Hypothesis] | Sourced[InstructionEffect]) -> Markup:
    if found.row.low is None or found.row.high is None:
        return Markup("one topic, no CI; ")
    return Markup("95% CI {} to {}; ").format(number(found, "low"), number(found, "high"))
