"""The page: one self-contained HTML file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.errors import InputError
from instrerank.files import is_stream, whole_file
from instrerank.jobs.sidecar import read_sidecar, sidecar_path
from instrerank.study.configuration import System
from instrerank.study.examples import Example, read_examples
from instrerank.study.folder import RECORD
from instrerank.study.report.answer import sentences
from instrerank.study.report.dimensions import read_curves
from instrerank.study.report.flips import flip_table
from instrerank.study.report.plots import write_plots
from instrerank.study.report.reading import Sourced, Tables, read_tables
from instrerank.study.report.rendering import render
from instrerank.study.report.setup import instruction_texts, setup
from instrerank.study.report.worst import worst
from instrerank.study.rows import CellMean, system

_OF_INSTRUCTIONS = ("p_mrr", "prompt_sensitivity")
"""Measures that are about instructions alone."""


class Repetition(NamedTuple):
    """A run's path in the study's folder, its SHA-256, and the command that reproduces it there."""

    run: str
    sha256: str
    command: str


def write_report(folder: Path, output: Path | None = None, *, overwrite: bool = False) -> Path:
    """Write the page of a study, and its plots as files to `plots/<mode>/` in the study's folder.

    Args:
        folder: output folder of `instrerank study`.
        output: the page; None: `report.html` in `folder`, which is always written again.
        overwrite: replace another `output` that exists.

    Returns:
        The path of the page.

    Raises:
        InputError: `folder` has no tables, a file in it is broken, or `output` exists.
        MissingPrerequisiteError: matplotlib is not installed.
    """
    if output is not None and not overwrite and output.exists() and not is_stream(output):
        raise InputError(f"{output} exists: choose another `output`, or replace it with `overwrite`")
    found = read_tables(folder)
    configuration = folder / RECORD
    lines, notes = setup(folder, found)
    page = render(
        "page.html",
        # run.<collection>.<first stage>.…
        collection=Path(found[0].cells[0].row.run).name.split(".")[1],
        setup=lines,
        notes=notes,
        instruction_texts=instruction_texts(folder),
        modes=[_section(folder, tables) for tables in found],
        configuration=configuration.read_text(encoding="utf-8") if configuration.exists() else "",
        repetitions=_repetitions(folder, found),
    )
    output = output or folder / "report.html"
    with whole_file(output) as file:
        file.write(page)
    return output


def _section(folder: Path, tables: Tables) -> dict[str, Any]:
    """Return what the template shows of one mode."""
    clean: dict[System, dict[str, Sourced[CellMean]]] = {}
    for cell in tables.cells:
        if cell.row.perturbation == "clean":
            clean.setdefault(system(cell.row), {}).setdefault(cell.row.measure, cell)
    # dicts for their order
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for row, _ in tables.robustness:
        groups.setdefault((row.family, row.expects), {})[row.perturbation] = None
    failed: dict[str, Counter[System]] = {}
    for failure, _ in tables.failed:
        failed.setdefault(failure.reason, Counter())[system(failure)] += 1
    about_instructions = [
        each
        for each in tables.instructions
        if each.row.measure in tables.measures or each.row.measure.startswith(_OF_INSTRUCTIONS)
    ]
    examples: dict[str, list[Example]] = {"query": [], "instruction": []}
    for example in read_examples(folder, tables.mode):
        examples.setdefault(example.change, []).append(example)
    robustness = {(each.row.measure, each.row.perturbation, system(each.row)): each for each in tables.robustness}
    return {
        "tables": tables,
        "measures": list(dict.fromkeys(row.measure for row, _ in tables.cells)),
        "answer": list(sentences(tables)),
        "flips": flip_table(tables),
        "failed": failed,
        "plots": write_plots(folder / "plots" / tables.mode, tables, read_curves(folder)),
        "clean": clean,
        "groups": groups,
        "robustness": robustness,
        "hardest": [each for key, each in robustness.items() if key[:2] == (tables.measures[0], tables.hardest)],
        "worst": worst(folder, tables),
        # p-MRR and prompt sensitivity first
        "instructions": sorted(about_instructions, key=lambda it: not it.row.measure.startswith(_OF_INSTRUCTIONS)),
        "other_instructions": [each for each in tables.instructions if each not in about_instructions],
        "examples": examples,
    }


def _repetitions(folder: Path, found: list[Tables]) -> list[Repetition]:
    """Return how to reproduce each run, from its sidecar."""
    repetitions = []
    for run in dict.fromkeys(row.run for tables in found for row, _ in tables.cells):
        if sidecar_path(folder / run).is_file():
            sidecar = read_sidecar(folder / run)
            command = sidecar["implementation"]["executable"]["cmd"]
            repetitions.append(Repetition(run, sidecar["run"]["sha256"], command))
    return repetitions
