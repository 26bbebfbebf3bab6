"""A study from its configuration to its report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections.loaded import is_name
from instrerank.encoders.options import LoadOptions
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.files import check_writable, one_process
from instrerank.study.configuration import Configuration, configure, read_configuration
from instrerank.study.examples import write_examples
from instrerank.study.execution import Failure, execute
from instrerank.study.folder import RECORD, Log, open_folder
from instrerank.study.plan import Plan, make_plan
from instrerank.study.probes import run_probes
from instrerank.study.report import write_report
from instrerank.study.report.answer import sentences
from instrerank.study.report.reading import MODES, read_tables
from instrerank.study.results import read_results
from instrerank.study.table_files import write_table
from instrerank.study.tables import all_tables

log = logging.getLogger(__name__)


class StudyResult(NamedTuple):
    """What `run_study` returns.

    Attributes:
        folder: of the study: runs, `tables/<mode>/<table>.csv`, report.
        failures: the runs that failed; all others are complete.
        report: the page; None if matplotlib is not installed.
    """

    folder: Path
    failures: list[Failure]
    report: Path | None

    @property
    def answer(self) -> list[str]:
        """The answer of the study in sentences, as on its page."""
        found = read_tables(self.folder)
        prefix = len(found) > 1
        return [
            f"{MODES[tables.mode]}: {each.striptags()}" if prefix else each.striptags()
            for tables in found
            for each in sentences(tables)
        ]


def run_study(
    study: Plan | Configuration | Mapping[str, Any] | str | Path,
    output: str | Path | None = None,
    *,
    resume: bool = False,
    store: str | Path | None = "default",
    progress: bool = False,
    **settings: Any,
) -> StudyResult:
    """Run a study, or the rest of it, and write its tables and its report.

    Killed at any moment and run again with `resume`, it ends with the same bytes in every file but the log and the
    index.

    Args:
        study: a YAML file or its content as a mapping (docs/study.md), or the result of `configure` or `make_plan`.
        output: folder of the study; None: the YAML file's path without its suffix.
        resume: continue the study in `output`.
        store: as in `LoadOptions`, for all encoders of the study.
        progress: show progress bars.
        **settings: override keys of the YAML file.

    Returns:
        The folder and the failed runs, which are listed in the table `failed` and excluded from all others.

    Raises:
        InputError: bad input; the folder holds a different study; another process is running it.
        MissingPrerequisiteError: BM25 has to search, and Java or pyserini is missing, or a language model does not
            answer.
    """
    if output is None:
        if not is_name(study):
            raise InputError("`output` is missing: give the folder of the study")
        output = Path(str(study)).with_suffix("")
    folder = Path(output)
    plan = _plan(study, settings, folder)
    check_writable(folder / RECORD)
    # a resumed study removes partial files: not those of one that is running
    with one_process(folder, folder=folder):
        open_folder(folder, plan, resume=resume)
        return _run(plan, folder, store, progress)


def _run(plan: Plan, folder: Path, store: str | Path | None, progress: bool) -> StudyResult:
    kept = LoadOptions(store=store).store_folder()
    # first, so that passages without a probe are refused before hours of work
    probed = run_probes(plan, folder, store=kept, progress=progress)
    failures = execute(plan, folder, store=kept, progress=progress)
    for mode in plan.configuration.candidates:
        with Log(folder).timed(step="tables", mode=mode):
            results = read_results(plan, folder, mode, progress=progress)
            tables = all_tables(results, progress=progress)
            tables["failed"] = [failure.as_row() for failure in failures if failure.cell.mode == mode]
            # pairs have no mode: on the page of the first
            tables["probes"] = probed.rows if mode == plan.configuration.candidates[0] else []
            for name, rows in tables.items():
                write_table(folder / "tables" / mode, name, rows)
            write_examples(results, folder)
    report = None
    try:
        with Log(folder).timed(step="report"):
            report = write_report(folder)
    except MissingPrerequisiteError as error:
        log.warning(f"no report: {error}")
    return StudyResult(folder, failures + probed.failures, report)


def _plan(
    study: Plan | Configuration | Mapping[str, Any] | str | Path, settings: Mapping[str, Any], folder: Path
) -> Plan:
    if isinstance(study, Plan | Configuration):
        if settings:
            raise InputError(f"{', '.join(settings)}: pass these to `configure`; the study is already configured")
        return study if isinstance(study, Plan) else make_plan(study, folder)
    given = study if isinstance(study, Mapping) else read_configuration(Path(study))
    return make_plan(configure({**given, **settings}), folder)
