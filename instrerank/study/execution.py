"""The runs of a study: each text is encoded once, each run appears whole, complete runs are kept."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from instrerank.files import sha256
from instrerank.jobs import models
from instrerank.jobs.cluster import Engine
from instrerank.jobs.described import described_instructions, described_texts
from instrerank.jobs.rerank import execute as execute_rerank
from instrerank.jobs.rerank import plan_of, windows_of
from instrerank.jobs.reranking_inputs import Inputs, warn_of_own_documents
from instrerank.reranking import Scorer, prepare_texts
from instrerank.study.configuration import EncoderChoice
from instrerank.study.first_stage import candidate_texts, readable, write_first_stage
from instrerank.study.folder import Log, is_complete, read_study_run
from instrerank.study.plan import Cell, Plan
from instrerank.study.query_files import write_query_files
from instrerank.study.rows import FailedRun
from instrerank.study.settings import rerank_settings


@dataclass(frozen=True)
class Failure:
    """A cell without a run, and the reason in one line."""

    cell: Cell
    reason: str

    def as_row(self) -> FailedRun:
        """Return the row in the table `failed`."""
        variation = self.cell.variation
        return FailedRun(*self.cell.system, variation.name, variation.seed, self.reason)


def execute(
    plan: Plan, folder: Path, *, store: Path | None = None, engine: Engine = "local", progress: bool = False
) -> list[Failure]:
    """Write the missing query sets, first-stage runs and reranked runs of a study.

    Args:
        plan: what to run.
        folder: prepared by `open_folder`.
        store: folder of the embedding store; None: each process encodes the passages again.
        engine: "local": rerank in this process; "ray": on a Ray cluster, see `instrerank.study.spread`.
        progress: show a progress bar of the topics of all runs.

    Returns:
        The cells that failed; all others have a run and a sidecar.

    Raises:
        InputError: the first stage fails or lacks texts.
        MissingPrerequisiteError: BM25 has to search, and Java or pyserini is missing.
    """
    from tqdm import tqdm

    log = Log(folder)
    write_query_files(plan, folder)
    pending = [cell for cell in plan.cells if not is_complete(folder / cell.path(plan.configuration))]
    failures: list[Failure] = []
    topics = len(plan.topics)
    with tqdm(total=len(pending) * topics, desc="study", unit="topic", disable=not progress) as bar:
        first_stage = [cell for cell in pending if cell.encoder is None]
        bar.set_postfix_str("first stage")
        write_first_stage(plan, folder, first_stage, log)
        bar.update(len(first_stage) * topics)
        if len(pending) == len(first_stage):
            return failures
        runs = FirstStage(plan, folder)
        if engine == "ray":
            from instrerank.study.spread import rerank_on_ray

            bar.set_postfix_str("Ray")
            return rerank_on_ray(plan, folder, pending, runs, store, log, lambda cells: bar.update(cells * topics))
        for choice in plan.configuration.encoders:
            cells = [cell for cell in pending if cell.encoder is choice]
            bar.set_postfix_str(choice.name)
            done = partial(bar.update, topics)
            failures += rerank_cells(plan, folder, choice, cells, runs, store, log, done=done, progress=progress)
    return failures


def rerank_cells(
    plan: Plan,
    folder: Path,
    choice: EncoderChoice,
    cells: Sequence[Cell],
    first_stage: FirstStage,
    store: Path | None,
    log: Log,
    *,
    done: Callable[[], object] = lambda: None,
    progress: bool = False,
) -> list[Failure]:
    """Write the runs of some cells of one encoder; return those that failed.

    Args:
        plan: the study.
        folder: the study's folder.
        choice: the encoder.
        cells: some of its cells.
        first_stage: runs and texts of the first stage.
        store: as for `execute`.
        log: of what was done when.
        done: called after each cell.
        progress: show progress bars of texts.
    """
    if not cells:
        return []
    try:
        work = _Reranking(plan, folder, choice, first_stage, store, log, progress)
    except Exception as error:
        for _ in cells:
            done()
        return [_failure(cell, error, log) for cell in cells]
    failures = []
    with log.timed(step="rerank", encoder=choice.name, runs=len(cells)):
        for cell in cells:
            try:
                work.write(cell)
            except Exception as error:
                failures.append(_failure(cell, error, log))
            done()
    return failures


def _failure(cell: Cell, error: Exception, log: Log) -> Failure:
    trace = "".join(traceback.format_exception(error))
    log.write(failed=[cell.mode, *cell.system, cell.variation.label], traceback=trace)
    return Failure(cell, str(error) or type(error).__name__)


class FirstStage:
    """First-stage runs by path, and the texts of their candidates."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        cells = [cell for cell in plan.cells if cell.encoder is None]
        self.runs = {path: read_study_run(folder / path) for path in (cell.path(plan.configuration) for cell in cells)}
        warn_of_own_documents(next(iter(self.runs.values())))
        self.texts = candidate_texts(plan, self.runs.values())


class _Reranking:
    """The cells of one encoder."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        choice: EncoderChoice,
        first_stage: FirstStage,
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
        # complete cells too: other batches would give other last bits
        cells = [cell for cell in plan.cells if cell.encoder is choice]
        topics = [topic for cell in cells for topic in plan.topics_of(cell.condition, cell.variation)]
        windows = windows_of(rerank_settings(plan, cells[0]), self._scorer)
        queries = len({topic[1:] for topic in topics})
        with log.timed(step="prepare", encoder=choice.name, passages=len(texts), queries=queries):
            self._prepared = prepare_texts(topics, readable(texts), self._scorer, windows=windows, progress=progress)

    def write(self, cell: Cell) -> None:
        """Write the run of a cell and its sidecar."""
        settings = dataclasses.replace(rerank_settings(self._plan, cell), progress=self._progress)
        instructions = described_instructions(None, settings.instruction)
        if settings.instructions:
            instructions = self._described(settings.instructions)
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
        """Describe a file of the study by its path within the folder."""
        return {"source": path, "sha256": sha256(self._folder / path)}


def load_scorer(choice: EncoderChoice, store: Path | None) -> Scorer:
    """Load an encoder of a study, or a baseline.

    Raises:
        InputError: an unknown model, or options that do not suit it.
        MissingPrerequisiteError: the model is not available.
    """
    stored = {"store": store} if choice.load.encodes_passages else {}
    return models.load_scorer(choice.encoder, choice.load, **stored)
