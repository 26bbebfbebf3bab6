"""A study from its plan to its report."""

from __future__ import annotations

import logging
from pathlib import Path

from instrerank.errors import MissingPrerequisiteError
from instrerank.study.execution import Failure, execute
from instrerank.study.folder import Log, open_folder
from instrerank.study.plan import Plan
from instrerank.study.report import write_report
from instrerank.study.results import read_results
from instrerank.study.tables import Table, all_tables
from instrerank.study.writing import write_tables

log = logging.getLogger(__name__)


def run_study(
    plan: Plan, folder: Path, *, resume: bool = False, store: Path | None = None, progress: bool = False
) -> list[Failure]:
    """Run a study, or what is left of it, and write its tables and its report.

    Killed at any moment and run again with `resume`, it ends with the same bytes in every file but the log and the
    index.

    Args:
        plan: from `make_plan`.
        folder: to be made, or that of the same study.
        resume: go on with a study that is there.
        store: folder of the embedding store; None: passages are encoded anew by each process.
        progress: show a progress bar.

    Returns:
        The cells that failed, which the table `failed` lists; the other tables are of the other cells.

    Raises:
        InputError: bad input, or the folder holds another study.
        MissingPrerequisiteError: BM25 has to search, and there is no Java or no pyserini.
    """
    open_folder(folder, plan.configuration, resume=resume)
    failures = execute(plan, folder, store=store, progress=progress)
    for mode in plan.configuration.candidates:
        with Log(folder).timed(step="tables", mode=mode):
            failed = Table("failed", [failure.as_row() for failure in failures if failure.cell.mode == mode])
            write_tables(folder / "tables" / mode, [*all_tables(read_results(plan, folder, mode)), failed])
    try:
        with Log(folder).timed(step="report"):
            write_report(folder)
    except MissingPrerequisiteError as error:
        log.warning(f"no report: {error}")
    return failures
