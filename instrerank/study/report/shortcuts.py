"""What the answer says of the shortcuts that an encoder takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from instrerank.study.report.labels import number, system_label
from instrerank.study.report.reading import Sourced, Tables
from instrerank.study.rows import ProbeRate, system


def shortcut_sentences(tables: Tables, level: float) -> Iterator[Markup]:
    """Yield for each encoder, under its first condition, what it prefers and how often wrong facts win."""
    by_encoder: dict[str, list[Sourced[ProbeRate]]] = {}
    for each in tables.probes:
        rows = by_encoder.setdefault(each.row.encoder, [])
        if not rows or system(rows[0].row) == system(each.row):
            rows.append(each)
    for rows in by_encoder.values():
        neutral = [each for each in rows if each.row.expects == "invariance"]
        taken = [
            each
            for each in neutral
            if each.row.win_rate > 0.5 and each.row.corrected_p is not None and each.row.corrected_p < level
        ]
        wrong = [each for each in rows if each.row.expects == "directional"]
        text = Markup(
            "Shortcuts, {}: <strong>{} of {} that should not matter raise the score significantly</strong>"
        ).format(system_label(system(rows[0].row)), len(taken) or "none", len(neutral))
        text += Markup(" ({})").format(_listed(taken)) if taken else ""
        if wrong:
            text += Markup(
                ". Passages with a wrong fact should never win; they win against the right one in {}"
            ).format(_listed(wrong))
        yield text + "."


def _listed(found: Sequence[Sourced[ProbeRate]]) -> Markup:
    return Markup(", ").join(
        Markup("{} of pairs under {}").format(number(each, "win_rate"), each.row.probe) for each in found
    )
