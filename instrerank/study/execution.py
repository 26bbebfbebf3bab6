"""The runs of a study: each text encoded once, each run written whole, what is complete left alone."""

from __future__ import annotations

import dataclasses
import traceback
from dataclasses import dataclass
from pathlib import Path

from instrerank.files import sha256
from instrerank.jobs import models
from instrerank.jobs.described import described_texts
from instrerank.jobs.rerank import Inputs, plan_of, windows_of
from instrerank.jobs.rerank import execute as execute_rerank
from instrerank.reranking import Scorer, prepare_texts
from instrerank.study.configuration import EncoderChoice
from instrerank.study.first_stage import candidate_texts, write_first_stage
from instrerank.study.folder import Log, is_complete
from instrerank.study.plan import Cell, Plan
from instrerank.study.query_files import write_query_files
from instrerank.study.rows import FailedRun
from instrerank.study.settings import rerank_settings
from instrerank.trec import read_run


@dataclass(frozen=True)
class Failure:
    """A cell that gave no run, and why, in one line."""

    cell: Cell
    reason: str

    def as_row(self) -> FailedRun:
        """Return the row of the table `failed`."""
        variation = self.cell.variation
        return FailedRun(*self.cell.system, variation.name, variation.seed, self.reason)


def execute(plan: Plan, folder: Path, *, store: Path | None = None, progress: bool = False) -> list[Failure]:
    """Write query sets, first-stage runs and reranked runs into the folder of a study, those not there yet.

    Args:
        plan: what to run.
        folder: from `open_folder`.
        store: folder of the embedding store; None: passages are encoded anew by each process.
        progress: show a progress bar.

    Returns:
        The cells that failed; every other one has a run and a sidecar.

    Raises:
        InputError: the first stage cannot be had, or lacks texts: without it there is nothing to study.
        MissingPrerequisiteError: BM25 has to search, and there is no Java or no pyserini.
    """
    from tqdm import tqdm

    log = Log(folder)
    write_query_files(plan, folder)
    pending = [cell for cell in plan.cells if not is_complete(folder / cell.path(plan.configuration))]
    failures: list[Failure] = []
    with tqdm(total=len(pending), desc="runs", unit="run", disable=not progress) as bar:
        first_stage = [cell for cell in pending if cell.encoder is None]
        write_first_stage(plan, folder, first_stage, log)
        bar.update(len(first_stage))
        runs = _FirstStage(plan, folder) if len(pending) > len(first_stage) else None
        for choice in plan.configuration.encoders:
            cells = [cell for cell in pending if cell.encoder is choice]
            if not cells or runs is None:
                continue
            bar.set_postfix_str(choice.name)
            try:
                work = _Reranking(plan, folder, choice, runs, store, log, progress)
            except Exception as error:
                failures += [_failure(cell, error, log) for cell in cells]
                bar.update(len(cells))
                continue
            with log.timed(step="rerank", encoder=choice.name, runs=len(cells)):
                for cell in cells:
                    try:
                        work.write(cell)
                    except Exception as error:
                        failures.append(_failure(cell, error, log))
                    bar.update()
    return failures


def _failure(cell: Cell, error: Exception, log: Log) -> Failure:
    trace = "".join(traceback.format_exception(error))
    log.write(failed=[cell.mode, *cell.system, cell.variation.label], traceback=trace)
    return Failure(cell, str(error) or type(error).__name__)


class _FirstStage:
    """First-stage runs by their path, and the texts of all that is to be reranked in any of them."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        cells = [cell for cell in plan.cells if cell.encoder is None]
        self.runs = {path: read_run(folder / path) for path in (cell.path(plan.configuration) for cell in cells)}
        self.texts = candidate_texts(plan, self.runs.values())


class _Reranking:
    """The cells of one encoder."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        choice: EncoderChoice,
        first_stage: _FirstStage,
        store: Path | None,
        log: Log,
        progress: bool,
    ) -> None:
        self._plan, self._folder, self._choice, self._first_stage = plan, folder, choice, first_stage
        self._progress = progress
        texts = first_stage.texts
        with log.timed(step="load", encoder=choice.name):
            self._scorer = load_scorer(choice, store)
        self._passages = described_texts(str(plan.configuration.corpus or plan.configuration.index), texts)
        # all of the study's topics, complete cells included: other batches would give other last bits
        cells = [cell for cell in plan.cells if cell.encoder is choice]
        topics = [topic for cell in cells for topic in plan.topics_of(cell.condition, cell.variation)]
        windows = windows_of(rerank_settings(plan, cells[0]), self._scorer)
        queries = len({topic[1:] for topic in topics})
        with log.timed(step="prepare", encoder=choice.name, passages=len(texts), queries=queries):
            self._prepared = prepare_texts(topics, texts, self._scorer, windows=windows, progress=progress)

    def write(self, cell: Cell) -> None:
        """Write the run of a cell and its sidecar."""
        settings = dataclasses.replace(rerank_settings(self._plan, cell), progress=self._progress)
        instructions = self._described(settings.instructions) if settings.instructions else {"source": "none"}
        inputs = Inputs(
            self._first_stage.runs[self._plan.first_stage_path(cell)],
            self._plan.topics_of(cell.condition, cell.variation),
            self._first_stage.texts,
            {"name": "first stage", **self._described(settings.run)},
            {
                "topics": self._described(settings.topics),
                "passages": self._passages,
                "instructions": instructions,
            },
        )
        execute_rerank(plan_of(settings, inputs, self._scorer), prepared=self._prepared, folder=self._folder)

    def _described(self, path: str) -> dict[str, str]:
        """Name a file of the study, by a path that holds wherever the folder lies."""
        return {"source": path, "sha256": sha256(self._folder / path)}


def load_scorer(choice: EncoderChoice, store: Path | None) -> Scorer:
    """Load an encoder of a study, or a baseline.

    Raises:
        InputError: there is no such model, or it is not to be loaded so.
        MissingPrerequisiteError: the model cannot be reached.
    """
    stored = {"store": store} if choice.load.kind == "biencoder" else {}
    return models.load_scorer(choice.encoder, choice.load, **stored)
