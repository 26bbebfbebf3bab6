"""Curves over the dimensions of one encoder's vectors (`dim`): effectiveness and loss under perturbation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.files.values import read_mapping
from instrerank.study.configuration import System
from instrerank.study.folder import RECORD
from instrerank.study.prompts import PROMPT
from instrerank.study.report.labels import measure_label
from instrerank.study.report.reading import Tables
from instrerank.study.rows import INVARIANCE, system

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKERS = "os^DvP*X"


class Curve(NamedTuple):
    """The encoders of a study that differ only in `dim`.

    Attributes:
        encoder: name or folder of the model.
        names: names in the study, by ascending dimension; whole vectors come last.
        dims: their dimensions as on the axis; "all" for whole vectors.
    """

    encoder: str
    names: tuple[str, ...]
    dims: tuple[str, ...]


def read_curves(folder: Path) -> list[Curve]:
    """Return the encoders of a study's folder that have at least two dimensions.

    Raises:
        InputError: a broken study.yaml.
    """
    record = read_mapping(folder / RECORD, "the record of a study") if (folder / RECORD).is_file() else {}
    configuration = record.get("configuration")
    listed = configuration.get("encoders") if isinstance(configuration, Mapping) else None
    found: dict[str, list[tuple[float, str, str]]] = {}
    for each in listed if isinstance(listed, list) else []:
        load = each.get("load") if isinstance(each, Mapping) else None
        dim = load.get("dim") if isinstance(load, Mapping) else None
        if not isinstance(load, Mapping) or not isinstance(dim, int | None):
            continue
        others = {key: value for key, value in each.items() if key not in ("name", "load")}
        same = repr((others, {key: value for key, value in load.items() if key != "dim"}))
        point = (dim or float("inf"), str(each.get("name")), str(dim or "all"))
        found.setdefault(same, []).append(point)
    curves = []
    for points in found.values():
        if len({dim for dim, _, _ in points}) > 1:
            _, names, dims = zip(*sorted(points), strict=True)
            curves.append(Curve(names[-1], names, dims))
    return curves


def draw_curves(tables: Tables, curves: Sequence[Curve]) -> Figure | None:
    """Draw the first measure, clean (solid) and perturbed (dashed), and the drop beside it, by dimension."""
    from matplotlib.figure import Figure

    measure = tables.measures[0]
    clean = {system(row): row.mean for row, _ in tables.cells if (row.measure, row.perturbation) == (measure, "clean")}
    perturbed = {
        system(row): row.perturbed for row, _ in tables.families if (row.measure, row.family) == (measure, INVARIANCE)
    }
    lines = [
        (curve, [System(name, condition) for name in curve.names], condition)
        for curve in curves
        for condition in dict.fromkeys(each.instructions for each in clean if each.encoder in curve.names)
        # scored by other judgements; too many for curves
        if condition != "changed" and not condition.startswith(PROMPT)
    ]
    lines = [line for line in lines if all(each in clean for each in line[1])]
    if not lines:
        return None
    ticks = sorted({dim for curve in curves for dim in curve.dims}, key=lambda dim: (dim == "all", dim.zfill(9)))
    figure = Figure(figsize=(7.5, 2.8))
    level, drop = figure.subplots(1, 2)
    for number, (curve, systems, condition) in enumerate(lines):
        at = [ticks.index(dim) for dim in curve.dims]
        style: dict[str, Any] = {"marker": _MARKERS[number % len(_MARKERS)], "markersize": 4, "color": f"C{number}"}
        label = curve.encoder if condition == "none" else f"{curve.encoder} + {condition}"
        level.plot(at, [clean[each] for each in systems], label=label, **style)
        if all(each in perturbed for each in systems):
            level.plot(at, [perturbed[each] for each in systems], linestyle="--", markerfacecolor="white", **style)
            drop.plot(at, [clean[each] - perturbed[each] for each in systems], **style)
    for axes, title in ((level, measure_label(measure)), (drop, f"drop of {measure_label(measure)}")):
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_xlabel("dimensions")
        axes.set_ylabel(title)
    level.legend(loc="best", frameon=False)
    return figure
