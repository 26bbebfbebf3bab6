"""What the answer says of changes that were made together."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from instrerank.study.report.labels import measure_label, number, system_label
from instrerank.study.report.reading import Tables
from instrerank.study.rows import system

_NAMED = 3


def interaction_sentences(tables: Tables, level: float) -> Iterator[Markup]:
    """Yield whether changes together cost more or less than the sum of each alone, by the first measure."""
    found = [it for it in tables.interactions if it.row.number > 1 and it.row.measure == tables.measures[0]]
    if not found:
        return
    tested = [each for each in found if each.row.corrected_p is not None and each.row.corrected_p < level]
    tested.sort(key=lambda each: -abs(each.row.difference or 0))
    more = sum((each.row.difference or 0) > 0 for each in tested)
    less = len(tested) - more
    text = Markup(
        "{}, changes made together: <strong>{} of {} cost significantly more than the sum of each alone</strong>, "
        "{} less."
    ).format(measure_label(tables.measures[0]), more or "none", len(found), less or "none")
    if tested:
        named = [
            Markup("{} ({}) {}, corrected p = {}").format(
                *(each.row.changes, system_label(system(each.row)), number(each, "difference")),
                number(each, "corrected_p"),
            )
            for each in tested[:_NAMED]
        ]
        text += Markup(" {}{}.").format("The largest: " if len(tested) > _NAMED else "", Markup("; ").join(named))
    yield text
