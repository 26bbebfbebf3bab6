"""Names, numbers and colours of the report."""

from __future__ import annotations

import math
import re

from markupsafe import Markup

from instrerank.study.configuration import System
from instrerank.study.report.reading import Sourced
from instrerank.study.rows import Row

SHADES = (
    *("#ffffff", "#feeddb", "#fee0c4", "#fdd0a2", "#fdae6b"),
    *("#fd8d3c", "#f16913", "#d94801", "#a63603", "#7f2704"),
)
"""Backgrounds: white for a gain, then one shade per 5% of relative loss. Lightness decreases steadily, so that they
are distinct in greyscale too (after ColorBrewer's Oranges)."""

DARK = 8
"""First shade with white text."""

_MEASURES = {
    "ndcg_cut": "nDCG",
    "recall": "R",
    "P": "P",
    "map_cut": "AP",
    "judged": "Judged",
    "success": "Success",
}
_NAMES = {"map": "AP", "recip_rank": "RR", "p_mrr": "p-MRR × 100", "p_mrr_kept": "p-MRR × 100, still relevant"}
_COLUMNS = {
    "low": "95% CI from",
    "high": "to",
    "wins": "better",
    "ties": "equal",
    "losses": "worse",
    "none": "without",
    "drop_a": "drop of A",
    "drop_b": "drop of B",
    "changed_share": "queries changed",
    "success_rate": "changed queries with a loss",
    "sd_over_seeds": "SD over seeds",
    "overlap_10": "overlap@10",
    "rbo": "RBO",
    "tau": "Kendall’s τ",
    "sd": "SD",
    "best_mean": "best",
    "worst_mean": "worst",
    "default": "default prompt",
    "percentile": "its percentile",
    "default_a": "default of A",
    "default_b": "default of B",
    "prompts_a": "prompts, A higher",
    "prompts_tied": "same",
    "prompts_b": "B higher",
    "a_beats_b": "A beats B",
    "tied_share": "ties",
}
_SHARES = ("relative", "changed_share", "success_rate")


def system_label(system: System) -> str:
    """Return `minilm`, or `minilm + own` under instructions."""
    return system.encoder if system.instructions == "none" else f"{system.encoder} + {system.instructions}"


def measure_label(measure: str) -> str:
    """Return the name of a measure as in papers: `nDCG@10` for `ndcg_cut_10`."""
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
    """Return the index into SHADES of a relative change: 0 for gains, no change and unknown, from 1 for any loss."""
    return 0 if relative is None or relative >= 0 else min(len(SHADES) - 1, 1 + math.floor(-20 * relative))


def stars(corrected_p: float | None) -> str:
    """Return the significance mark: `*` below 0.05, `**` below 0.01, `***` below 0.001."""
    return "" if corrected_p is None else "*" * sum(corrected_p < level for level in (0.05, 0.01, 0.001))


def shown(column: str, value: float | int | None) -> str:
    """Return a value as the report prints it in a column.

    Four decimals; percentiles, and shares in percent, with one; p below 0.0001 in scientific notation; differences
    with a sign (U+2212 for minus); a dash for None.
    """
    if value is None:
        return "–"
    if isinstance(value, int):
        return str(value)
    if column in _SHARES:
        text = f"{100 * value:{'+' if column == 'relative' else ''}z.1f}%"
    elif column == "percentile":
        text = f"{value:.1f}"
    elif column in ("p", "corrected_p") and value < 0.0001:
        text = f"{value:.1e}"
    else:
        text = f"{value:{'+' if column == 'difference' else ''}z.4f}"
    return text.replace("-", "−")


def number(found: Sourced[Row], column: str) -> Markup:
    """Return a number of a table for the page, with its full value and its field in the CSV file."""
    value = getattr(found.row, column)
    text = shown(column, value)
    if value is None:
        return Markup(text)
    return Markup('<data value="{!r}" data-cell="{}:{}">{}</data>').format(value, found.source, column, text)
