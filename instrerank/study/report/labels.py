"""How the report shows names and numbers."""

from __future__ import annotations

import math
import re

from markupsafe import Markup

from instrerank.study.configuration import System
from instrerank.study.report.reading import Sourced
from instrerank.study.rows import Row

SHADES = (
    *("#ffffff", "#fff5eb", "#fee6ce", "#fdd0a2", "#fdae6b"),
    *("#fd8d3c", "#f16913", "#d94801", "#a63603", "#7f2704"),
)
"""Background of a relative loss, one shade for each 5 %; lightness falls steadily, so that it shows in grey too
(ColorBrewer's Oranges)."""

DARK = 8
"""From this shade on, text is white."""

_MEASURES = {
    "ndcg_cut": "nDCG",
    "recall": "R",
    "P": "P",
    "map_cut": "AP",
    "judged": "Judged",
    "success": "Success",
}
_NAMES = {"map": "AP", "recip_rank": "RR", "p_mrr": "p-MRR × 100", "p_mrr_kept": "p-MRR × 100 of kept"}
_COLUMNS = {
    "low": "95% from",
    "high": "to",
    "wins": "better",
    "ties": "equal",
    "losses": "worse",
    "none": "with none",
    "drop_a": "drop of A",
    "drop_b": "drop of B",
    "changed_share": "queries changed",
    "success_rate": "changed queries that lose",
    "sd_over_seeds": "SD over seeds",
    "overlap_10": "overlap@10",
    "rbo": "RBO",
    "tau": "Kendall’s τ",
}
_SHARES = ("relative", "changed_share", "success_rate")


def system_label(system: System) -> str:
    """Return `minilm`, or `minilm + own` under instructions."""
    return system.encoder if system.instructions == "none" else f"{system.encoder} + {system.instructions}"


def measure_label(measure: str) -> str:
    """Return the name of a measure as papers have it: `ndcg_cut_10` is `nDCG@10`."""
    if measure.startswith("prompt_sensitivity "):
        return f"prompt sensitivity, {measure_label(measure.partition(' ')[2])}"
    match = re.fullmatch(r"(\w+?)_(\d+)", measure)
    if match and match[1] in _MEASURES:
        return f"{_MEASURES[match[1]]}@{match[2]}"
    return _NAMES.get(measure, measure)


def column_label(column: str) -> str:
    """Return the heading of a column of a table."""
    return _COLUMNS.get(column, column.replace("_", " "))


def shade(relative: float | None) -> int:
    """Return the index into SHADES of a relative change; gains and what is unknown stay white."""
    return 0 if relative is None else min(len(SHADES) - 1, max(0, math.floor(-20 * relative)))


def stars(corrected_p: float | None) -> str:
    """Return the significance mark: `*` below 0.05, `**` below 0.01, `***` below 0.001."""
    return "" if corrected_p is None else "*" * sum(corrected_p < level for level in (0.05, 0.01, 0.001))


def shown(column: str, value: float | int | None) -> str:
    """Return a value as the report prints it in a column.

    Four digits; shares in percent with one; p below 0.0001 in scientific notation; differences with their sign
    (U+2212 for minus); a dash where nothing can be said.
    """
    if value is None:
        return "–"
    if isinstance(value, int):
        return str(value)
    if column in _SHARES:
        text = f"{100 * value:{'+' if column == 'relative' else ''}z.1f}%"
    elif column in ("p", "corrected_p") and value < 0.0001:
        text = f"{value:.1e}"
    else:
        text = f"{value:{'+' if column == 'difference' else ''}z.4f}"
    return text.replace("-", "−")


def number(found: Sourced[Row], column: str) -> Markup:
    """Return a number of a table for the page, with its full value and the field of the CSV that it comes from."""
    value = getattr(found.row, column)
    text = shown(column, value)
    if value is None:
        return Markup(text)
    return Markup('<data value="{!r}" data-cell="{}:{}">{}</data>').format(value, found.source, column, text)
