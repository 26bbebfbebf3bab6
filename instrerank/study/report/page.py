"""The page: one HTML file with everything in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import instrerank
from instrerank.errors import MissingPrerequisiteError
from instrerank.files import sha256, whole_file
from instrerank.study.report import labels
from instrerank.study.report.answer import LEVEL, sentences
from instrerank.study.report.data import MODES, Cell, Results, System, read_results, system
from instrerank.study.report.edits import visible
from instrerank.study.report.plots import hardest, inline, write_plots
from instrerank.study.report.worst import worst

_OF_INSTRUCTIONS = ("p_mrr", "prompt_sensitivity")
_EXPECTATIONS = {
    "invariance": "should change nothing",
    "directional": "should move named documents",
    "indifference": "should not beat the query alone",
    "ablation": "no expectation, a control",
}


class Repetition(NamedTuple):
    """The command that made some runs, and their path in the study's folder with their SHA-256."""

    command: str
    runs: list[tuple[str, str]]


def write_report(folder: Path, output: Path | None = None) -> Path:
    """Write the page of a study, and its plots as files to `plots/<mode>/` in the study's folder.

    Args:
        folder: what `instrerank study` has written.
        output: the page; without, `report.html` in `folder`.

    Returns:
        The path of the page.

    Raises:
        InputError: `folder` holds no tables, or broken ones.
        MissingPrerequisiteError: jinja2 or matplotlib is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingPrerequisiteError("the report needs jinja2: pip install 'instrerank[study]'") from error
    found = read_results(folder)
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
        "visible": visible,
        "inline": inline,
        "titles": MODES,
        "level": LEVEL,
        "expectations": _EXPECTATIONS,
    }
    configuration = folder / "study.yaml"
    page = environment.get_template("page.html").render(
        version=instrerank.__version__,
        collection=_collection(found),
        modes=[_section(folder, results) for results in found],
        configuration=configuration.read_text(encoding="utf-8") if configuration.exists() else "",
        repetitions=_repetitions(folder, found),
    )
    output = output or folder / "report.html"
    with whole_file(output) as file:
        file.write(page)
    return output


def _section(folder: Path, results: Results) -> dict[str, Any]:
    """Return what the template says of one mode."""
    clean: dict[System, dict[str, Cell]] = {}
    for cell in results.cells:
        if cell.perturbation == "clean":
            clean.setdefault(system(cell), {}).setdefault(cell.measure, cell)
    # dicts for their order
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for row in results.robustness:
        groups.setdefault((row.family, row.expects), {})[row.perturbation] = None
    robustness = {(row.measure, row.perturbation, system(row)): row for row in results.robustness}
    worn = hardest(results)
    return {
        "results": results,
        "measures": list(dict.fromkeys(cell.measure for cell in results.cells)),
        "answer": list(sentences(results)),
        "plots": write_plots(folder / "plots" / results.mode, results),
        "clean": clean,
        "groups": groups,
        "robustness": robustness,
        "hardest": worn,
        "hardest_rows": [row for key, row in robustness.items() if key[:2] == (results.measures[0], worn)],
        "worst": worst(folder, results),
        # those of p-MRR and prompt sensitivity first: they are about nothing but instructions
        "instructions": sorted(results.instructions, key=lambda row: (row.measure not in _OF_INSTRUCTIONS, row.measure)),
    }


def _collection(found: list[Results]) -> str:
    """Return the collection's name, which the names of runs bear: `run.<collection>.<first stage>.…`."""
    return next((row.run.split("/")[-1].split(".")[1] for results in found for row in results.cells if row.run), "")


def _repetitions(folder: Path, found: list[Results]) -> list[Repetition]:
    """Return the commands in the sidecars of the runs, each with the runs that it made."""
    import yaml

    # the C parser: a study has some thousand sidecars
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    runs: dict[str, list[tuple[str, str]]] = {}
    for name in dict.fromkeys(row.run for results in found for row in results.cells):
        sidecar = folder / f"{name}.yaml"
        if sidecar.is_file():
            told = yaml.load(sidecar.read_text(encoding="utf-8"), loader)
            runs.setdefault(told["implementation"]["executable"]["cmd"], []).append((name, told["run"]["sha256"]))
    return [Repetition(command, made) for command, made in runs.items()]
