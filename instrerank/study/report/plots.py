"""The plots of a study: small multiples, one panel per system, legible without colour."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from instrerank.errors import MissingPrerequisiteError, pip_install
from instrerank.evaluation.means import mean
from instrerank.files import whole_file
from instrerank.study.configuration import System
from instrerank.study.report.dimensions import Curve, draw_curves
from instrerank.study.report.labels import DARK, SHADES, measure_label, shade, shown, stars, system_label
from instrerank.study.report.reading import Tables, cut_off
from instrerank.study.rows import INVARIANCE, system

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_PANEL = 3.0
"""Width of a panel in inches."""

_MOST_SLOPES = 60
"""Topics above which lines cover each other: a scatter plot takes their place."""

_DARK, _LIGHT, _ACCENT = "#222222", "#9a9a9a", "#d94801"


def write_plots(folder: Path, tables: Tables, curves: Sequence[Curve] = ()) -> dict[str, str]:
    """Write every plot that the tables allow as SVG and PNG; the same tables give the same bytes.

    Args:
        folder: of `<name>.svg` and `<name>.png`.
        tables: of one mode.
        curves: encoders with several dimensions.

    Returns:
        Name of each plot to its SVG.

    Raises:
        MissingPrerequisiteError: matplotlib is not installed.
    """
    drawn = {}
    plots = (
        *(("drops", _drops), ("families", _families), ("topics", _topics), ("recall", _recall)),
        *(("instructions", _instructions), ("dimensions", lambda tables: draw_curves(tables, curves))),
    )
    with _style(tables.mode):
        for name, draw in plots:
            if figure := draw(tables):
                drawn[name] = _written(figure, folder / name)
    return drawn


@contextmanager
def _style(mode: str) -> Iterator[None]:
    try:
        import matplotlib.style
    except ImportError as error:
        raise MissingPrerequisiteError(f"the report needs matplotlib: {pip_install('study')}") from error
    style = {
        # ids in the SVG come from the drawing and this salt, not from chance
        "svg.hashsalt": f"instrerank {mode}",
        "svg.fonttype": "none",
        "font.size": 8,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "hatch.linewidth": 0.6,
        "figure.constrained_layout.use": True,
    }
    # "default", not the user's matplotlibrc: the same bytes everywhere
    with matplotlib.style.context(["default", style]):
        yield


def _written(figure: Figure, path: Path) -> str:
    svg = io.StringIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=200, metadata={"Software": None})
    with whole_file(path.with_suffix(".svg")) as file:
        file.write(svg.getvalue())
    with whole_file(path.with_suffix(".png")) as file:
        file.buffer.write(png.getvalue())
    return svg.getvalue()


def _panels(tables: Tables, height: float, **shared: Any) -> tuple[Figure, list[tuple[System, Axes]]]:
    """Return a figure with one titled panel per system, each `height` inches high."""
    from matplotlib.figure import Figure

    systems = tables.systems
    columns = min(_COLUMNS, len(systems))
    rows = math.ceil(len(systems) / columns)
    # a single panel is wider: its title has to fit
    figure = Figure(figsize=(max(4.5, _PANEL * columns), rows * height))
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    for axes in grid.flat[len(systems) :]:
        axes.set_axis_off()
    panels = list(zip(systems, grid.flat, strict=False))
    for number, (each, axes) in enumerate(panels, start=1):
        axes.set_title(_two_lines(each), loc="left", fontweight="bold")
        # the last row may be short: label the lowest panel of each column
        axes.tick_params(labelbottom=number > len(systems) - columns)
    return figure, panels


def _two_lines(each: System) -> str:
    return system_label(each).replace(" + ", "\n+ ")


def _drops(tables: Tables) -> Figure | None:
    """Heat map: relative change of the first measure, perturbations × systems."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    rows = {(row.perturbation, system(row)): row for row, _ in tables.robustness if row.measure == tables.measures[0]}
    if not rows:
        return None
    systems = tables.systems
    perturbations = list(dict.fromkeys(perturbation for perturbation, _ in rows))
    figure = Figure(figsize=(2.2 + 1.3 * len(systems), 1.2 + 0.22 * len(perturbations)))
    axes = figure.subplots()
    found = [[rows.get((perturbation, each)) for each in systems] for perturbation in perturbations]
    shades = [[shade(row.relative if row else None) for row in line] for line in found]
    axes.imshow(shades, ListedColormap(SHADES), vmin=0, vmax=len(SHADES) - 1, aspect="auto")
    for y, line in enumerate(found):
        for x, row in enumerate(line):
            text = shown("relative", row.relative) + stars(row.corrected_p) if row else ""
            axes.text(x, y, text, ha="center", va="center", color="white" if shades[y][x] >= DARK else "black")
    axes.set_xticks(range(len(systems)), [_two_lines(each) for each in systems])
    axes.set_yticks(range(len(perturbations)), perturbations)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(
        f"relative change of {measure_label(tables.measures[0])}; corrected p: * < 0.05, ** < 0.01, *** < 0.001"
    )
    return figure


def _families(tables: Tables) -> Figure | None:
    """Bars with 95% CIs: change of the first measure by family."""
    rows = {(system(row), row.family): row for row, _ in tables.families if row.measure == tables.measures[0]}
    families = list(dict.fromkeys(family for _, family in rows))
    if not rows or not tables.systems:
        return None
    figure, panels = _panels(tables, 0.8 + 0.2 * len(families), sharex=True, sharey=True)
    for each, axes in panels:
        found = [rows.get((each, family)) for family in families]
        values = [row.difference if row else math.nan for row in found]
        # hatching sets the family of all apart
        hatches = ["///" if family == INVARIANCE else "" for family in families]
        axes.barh(range(len(families)), values, 0.7, color="#d9d9d9", edgecolor=_DARK, linewidth=0.6, hatch=hatches)
        for y, row in enumerate(found):
            if row and row.low is not None and row.high is not None:
                axes.plot([row.low, row.high], [y, y], color=_DARK, linewidth=1.2, marker="|", markersize=5)
        axes.axvline(0, color=_DARK, linewidth=0.8)
        axes.set_yticks(range(len(families)), families)
    figure.supxlabel(f"change of {measure_label(tables.measures[0])}", fontsize=8)
    panels[0][1].invert_yaxis()
    return figure


def _topics(tables: Tables) -> Figure | None:
    """Every topic, clean and under the hardest perturbation (seeds averaged): lines, or points if there are many."""
    name = tables.hardest
    scores: dict[tuple[System, str, str], list[float]] = {}
    for row, _ in tables.topics:
        if row.perturbation in ("clean", name):
            scores.setdefault((system(row), row.perturbation, row.qid), []).append(row.score)
    if name is None or not scores:
        return None
    many = len({qid for _, _, qid in scores}) > _MOST_SLOPES
    figure, panels = _panels(tables, 3.0 if many else 2.8, sharex=True, sharey=True)
    label = measure_label(tables.measures[0])
    for each, axes in panels:
        clean = {qid: mean(values) for (of, kind, qid), values in scores.items() if (of, kind) == (each, "clean")}
        pairs = {
            qid: (value, mean(scores[each, name, qid])) for qid, value in clean.items() if (each, name, qid) in scores
        }
        if pairs:
            means = tuple(mean({qid: pair[side] for qid, pair in pairs.items()}) for side in (0, 1))
            (_scatter if many else _slopes)(axes, list(pairs.values()), (means[0], means[1]))
        if not many:
            axes.set_xticks((0, 1), ("clean", name))
            axes.set_xlim(-0.15, 1.15)
    if many:
        figure.supxlabel(f"{label}, clean", fontsize=8)
        label += f", {name}"
    figure.supylabel(label, fontsize=8)
    return figure


def _slopes(axes: Axes, pairs: list[tuple[float, float]], means: tuple[float, float]) -> None:
    for before, after in pairs:
        falls = after < before
        axes.plot(
            *((0, 1), (before, after)),
            color=_DARK if falls else _LIGHT,
            linestyle="-" if falls else (0, (2, 2)),
            linewidth=0.7,
        )
    axes.plot((0, 1), means, color=_ACCENT, linewidth=2.5, marker="o", zorder=3)


def _scatter(axes: Axes, pairs: list[tuple[float, float]], means: tuple[float, float]) -> None:
    """Draw clean against perturbed scores: below the diagonal, a topic loses."""
    from matplotlib.colors import to_rgba

    falls = [perturbed < clean for clean, perturbed in pairs]
    axes.axline((0, 0), slope=1, color=_LIGHT, linewidth=0.8)
    colors = [to_rgba(_DARK if fall else _LIGHT, 0.55) for fall in falls]
    before, after = zip(*pairs, strict=True)
    axes.scatter(before, after, s=10, c=colors, linewidths=0)
    axes.plot(
        *([value] for value in means), marker="D", markersize=8, color=_ACCENT, markeredgecolor="white", zorder=3
    )
    axes.set_aspect("equal", adjustable="box")


def _instructions(tables: Tables) -> Figure | None:
    """Points with 95% CIs: each condition against no instruction by the first measure, and p-MRR."""
    from matplotlib.figure import Figure

    effects = [
        row for row, _ in tables.instructions if row.measure == tables.measures[0] and row.difference is not None
    ]
    moves = [row for row, _ in tables.instructions if row.measure in ("p_mrr", "p_mrr_kept")]
    parts = [
        (f"change of {measure_label(tables.measures[0])} against no instruction", effects, "difference"),
        ("p-MRR × 100", moves, "mean"),
    ]
    parts = [part for part in parts if part[1]]
    if not parts:
        return None
    most = max(len(rows) for _, rows, _ in parts)
    figure = Figure(figsize=(1.5 + 3.7 * len(parts), 0.9 + 0.26 * most))
    grid = figure.subplots(1, len(parts), squeeze=False)
    for (title, rows, column), axes in zip(parts, grid.flat, strict=True):
        axes.axvline(0, color=_LIGHT, linewidth=0.8)
        names = []
        for y, row in enumerate(rows):
            kept = row.measure == "p_mrr_kept"
            names.append(
                row.encoder
                + (", still relevant" if kept else "" if row.measure == "p_mrr" else f" + {row.instructions}")
            )
            if row.low is not None and row.high is not None:
                axes.plot([row.low, row.high], [y, y], color=_DARK, linewidth=1.2, marker="|", markersize=5)
            axes.plot(
                [getattr(row, column)],
                [y],
                marker="o",
                markersize=5,
                color=_DARK,
                markerfacecolor="white" if kept else _DARK,
            )
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(title)
    return figure


def _recall(tables: Tables) -> Figure | None:
    """Recall at each cut-off, clean and over the perturbations of the answer."""
    rows = [row for row, _ in tables.families if row.family == INVARIANCE and row.measure.startswith("recall_")]
    cut_offs = sorted({cut_off(row.measure) for row in rows})
    if len(cut_offs) < 2 or not tables.systems:
        return None
    figure, panels = _panels(tables, 2.5, sharex=True, sharey=True)
    for each, axes in panels:
        found = sorted((cut_off(row.measure), row) for row in rows if system(row) == each)
        for column, line, marker, color in (("clean", "-", "o", _DARK), ("perturbed", "--", "s", _ACCENT)):
            points = [(k, getattr(row, column)) for k, row in found]
            axes.plot(
                *zip(*points, strict=True) if points else ((), ()),
                linestyle=line,
                marker=marker,
                markerfacecolor="white" if column == "perturbed" else color,
                markersize=4,
                color=color,
                label=column,
            )
        axes.set_xscale("log")
        axes.set_xticks(cut_offs, [str(k) for k in cut_offs], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_ylim(0, 1)
    figure.supxlabel("cut-off", fontsize=8)
    figure.supylabel("recall", fontsize=8)
    panels[0][1].legend(loc="lower right", frameon=False)
    return figure


def inline(svg: str, identifier: str, title: str, description: str) -> Markup:
    """Return an SVG to be embedded in a page, with title, description and unique ids.

    Args:
        svg: an SVG file written by matplotlib.
        identifier: prefix of its ids.
        title: for screen readers; escaped.
        description: the same at more length; escaped.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{identifier}-", body)
    opening, _, rest = body.partition(">")
    words = Markup(
        ' role="img" aria-labelledby="{0}-title" aria-describedby="{0}-desc">'
        '<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>'
    ).format(identifier, title, description)
    return Markup(opening) + words + Markup(rest)
