"""The templates of the pages, and the order of their examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jinja2

from instrerank.study.examples import Example
from instrerank.study.report import labels
from instrerank.study.report.answer import LEVEL
from instrerank.study.report.edits import visible
from instrerank.study.report.plots import inline
from instrerank.study.report.reading import MODES
from instrerank.study.rows import system, system_pair
from instrerank.version import __version__

_PASSAGE = 300
"""Characters of a passage that a page shows."""

_EXPECTATIONS = {
    "invariance": "the ranking should not change",
    "directional": "specific documents should move",
    "indifference": "should not improve on the query alone",
    "ablation": "control, no expectation",
}

_SORT_KEYS: dict[str, tuple[str, Callable[[Example], Any]]] = {
    "listed": ("system", lambda example: 0),
    "change": ("largest change", lambda example: -abs(example.difference)),
    "loss": ("largest loss", lambda example: example.difference),
    "gain": ("largest gain", lambda example: -example.difference),
    "before": ("lowest score before", lambda example: example.before.score),
    "topic": ("topic", lambda example: (len(example.qid) if example.qid.isdecimal() else 0, example.qid)),
}
"""By key, what a reader sorts examples by, and how; the first is the order in which they are given."""


def render(template: str, **values: Any) -> str:
    """Return a page from one of the templates in this folder."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("instrerank.study.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "number": labels.number,
        "measure_label": labels.measure_label,
        "column_label": labels.column_label,
        "system_label": labels.system_label,
        "stars": labels.stars,
        "shade": labels.shade,
        "shades": labels.SHADES,
        "dark": labels.DARK,
        "system": system,
        "system_pair": system_pair,
        "visible": visible,
        "inline": inline,
        "shown": labels.shown,
        "shorten": lambda text: text if len(text) <= _PASSAGE else f"{text[:_PASSAGE]}…",
        "sort_keys": {key: label for key, (label, _) in _SORT_KEYS.items()},
        "sortable": sortable,
        "titles": MODES,
        "level": LEVEL,
        "expectations": _EXPECTATIONS,
        "version": __version__,
    }
    return environment.get_template(template).render(**values)


def sortable(examples: Sequence[Example]) -> Iterator[tuple[Example, dict[str, int]]]:
    """Yield each example with its place, from 0, in the order of each key."""
    places: list[dict[str, int]] = [{} for _ in examples]
    for key, (_, value) in _SORT_KEYS.items():
        for place, index in enumerate(sorted(range(len(examples)), key=lambda index: value(examples[index]))):
            places[index][key] = place
    yield from zip(examples, places, strict=True)
