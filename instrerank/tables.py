"""Tables of results as text, Markdown, LaTeX, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

FORMATS = ("table", "csv", "json", "markdown", "latex")

_TABULATE = {"table": "simple", "markdown": "github", "latex": "latex_booktabs"}


def render(header: Sequence[str], rows: Sequence[Sequence[object]], output_format: str) -> str:
    """Return a table without a trailing line break.

    Floats have four decimals as in trec_eval, or two significant digits if they are smaller than that (p = 5.1e-05 is
    not shown as 0.0001); JSON keeps full precision. None, an undefined value, is shown as a dash.
    """
    if output_format == "json":
        return json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1, ensure_ascii=False)
    cells = [[_cell(cell) for cell in row] for row in rows]
    if output_format == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *cells])
        return text.getvalue().rstrip("\n")
    from tabulate import tabulate

    numeric = [all(isinstance(row[column], int | float | None) for row in rows) for column in range(len(header))]
    alignment = ["right" if right else "left" for right in numeric]
    return tabulate(cells, header, _TABULATE[output_format], disable_numparse=True, colalign=alignment)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < abs(value) < 0.0001 else f"{value:.4f}"
    return str(value)
