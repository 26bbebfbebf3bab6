"""A study's encoders spread over a Ray cluster: first their passages in shards, then their runs in groups.

Nodes share the store and the study's folder with the process that started the study, which searches the first stage,
sends its runs and texts to them, and makes the tables. Bytes are those of one process: see `Encoder.keep_passages`.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.encoders import Cascade, Encoder
from instrerank.encoders.adapted import check_same_files, files_fingerprint
from instrerank.errors import InstrerankError
from instrerank.jobs.cluster import Cluster, connected
from instrerank.jobs.rerank import windows_of
from instrerank.reranking.scoring import cut_passages
from instrerank.study.execution import Failure, FirstStage, load_scorer, rerank_cells
from instrerank.study.first_stage import readable
from instrerank.study.folder import Log, is_complete
from instrerank.study.plan import Cell, Plan
from instrerank.study.settings import rerank_settings

log = logging.getLogger(__name__)


class _Passages(NamedTuple):
    """A shard of the passages of one encoder: numbers of the encoder and the shard, and how many shards there are."""

    encoder: int
    shard: int
    shards: int


class _Runs(NamedTuple):
    """Some runs of one encoder: its number, and those of the cells in the plan."""

    encoder: int
    cells: tuple[int, ...]


class _Written(NamedTuple):
    """The cells that failed with their reasons, and lines for the log."""

    failed: list[tuple[int, str]]
    lines: list[dict[str, Any]]


def rerank_on_ray(
    plan: Plan,
    folder: Path,
    cells: Sequence[Cell],
    first_stage: FirstStage,
    store: Path | None,
    study_log: Log,
    done: Callable[[int], object],
) -> list[Failure]:
    """Write the missing reranked runs of a study.

    Args:
        plan: the study.
        folder: the study's folder.
        cells: those without a run.
        first_stage: runs and texts of the first stage.
        store: folder of the embedding store; None: each actor encodes the passages again.
        study_log: of what was done when.
        done: called with the number of cells that are done.

    Returns:
        The cells that failed.

    Raises:
        InstrerankError: the cluster does not answer, or no node can do the work.
    """
    failures: list[Failure] = []
    files: dict[int, str] = {}
    numbers: dict[int, list[int]] = {}
    for number, choice in enumerate(plan.configuration.encoders):
        mine = [at for at, cell in enumerate(plan.cells) if cell.encoder is choice and cell in cells]
        try:
            files[number] = files_fingerprint(choice.encoder, choice.load)
            numbers[number] = mine
        except InstrerankError as error:
            failures += [Failure(plan.cells[at], str(error)) for at in mine]
            done(len(mine))
    numbers = {number: mine for number, mine in numbers.items() if mine}
    if not numbers:
        return failures
    gpu = any(choice.load.device != "cpu" for choice in plan.configuration.encoders)
    folder, store = folder.absolute(), store and store.absolute()
    wanted = {number: files[number] for number in numbers}
    make = functools.partial(_StudyOfNode, plan, folder, first_stage, store, wanted)
    shared = [folder, *([store] if store else [])]
    with connected(gpu=gpu) as cluster:
        if store:
            _keep_passages(cluster, make, list(numbers), shared, study_log)
        groups = list(_groups(numbers, -(-cluster.actors // len(numbers))))
        for item, written, failure in cluster.map(make, groups, shared):
            if failure is not None:
                study_log.write(failed=[plan.configuration.encoders[item.encoder].name], traceback=failure.traceback)
                failures += [Failure(plan.cells[at], str(failure)) for at in item.cells]
            elif written is not None:
                for line in written.lines:
                    study_log.write(**line)
                failures += [Failure(plan.cells[at], reason) for at, reason in written.failed]
            done(len(item.cells))
    order = {id(cell): at for at, cell in enumerate(plan.cells)}
    return sorted(failures, key=lambda failure: order[id(failure.cell)])


def _keep_passages(
    cluster: Cluster, make: Callable[[], Any], encoders: Sequence[int], shared: Sequence[Path], study_log: Log
) -> None:
    """Encode the passages of all encoders into the store; what fails is encoded with the runs, where it is missing."""
    shards = [_Passages(number, shard, cluster.actors) for number in encoders for shard in range(cluster.actors)]
    with study_log.timed(step="passages", encoders=len(encoders), shards=len(shards)):
        for item, _, failure in cluster.map(make, shards, shared):
            if failure is not None:
                log.warning(f"shard {item.shard} of {item.shards} of the passages failed: {failure}")


def _groups(cells: dict[int, list[int]], parts: int) -> Iterator[_Runs]:
    """Yield the cells of each encoder in at most so many groups: each group encodes the queries of its encoder."""
    for encoder, numbers in cells.items():
        size = -(-len(numbers) // parts)
        for start in range(0, len(numbers), size):
            yield _Runs(encoder, tuple(numbers[start : start + size]))


class _Lines(Log):
    """Lines of a log that are written elsewhere."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def write(self, **entry: Any) -> None:
        self.lines.append(entry)


class _StudyOfNode:
    """Encodes passages and writes runs on a node of a cluster."""

    def __init__(
        self, plan: Plan, folder: Path, first_stage: FirstStage, store: Path | None, files: dict[int, str]
    ) -> None:
        """Check that this node has the same encoders, whose files have these fingerprints."""
        self._plan, self._folder, self._first_stage, self._store = plan, folder, first_stage, store
        for number, wanted in files.items():
            choice = plan.configuration.encoders[number]
            check_same_files(choice.encoder, choice.load, wanted)

    def __call__(self, item: _Passages | _Runs) -> _Written:
        """Do one part of the study."""
        if isinstance(item, _Passages):
            self._keep(item)
            return _Written([], [])
        choice, lines = self._plan.configuration.encoders[item.encoder], _Lines()
        # those that a lost node has written are complete
        todo = {at: self._plan.cells[at] for at in item.cells if not self._complete(self._plan.cells[at])}
        failures = rerank_cells(
            self._plan, self._folder, choice, list(todo.values()), self._first_stage, self._store, lines
        )
        number = {id(cell): at for at, cell in todo.items()}
        return _Written([(number[id(failure.cell)], failure.reason) for failure in failures], lines.lines)

    def _complete(self, cell: Cell) -> bool:
        return is_complete(self._folder / cell.path(self._plan.configuration))

    def _keep(self, item: _Passages) -> None:
        choice = self._plan.configuration.encoders[item.encoder]
        scorer = load_scorer(choice, self._store)
        if not isinstance(scorer, Encoder | Cascade):
            return  # pairs are scored with the runs; late interaction encodes there too
        cell = next(cell for cell in self._plan.cells if cell.encoder is choice)
        windows = windows_of(rerank_settings(self._plan, cell), scorer)
        cut = cut_passages(readable(self._first_stage.texts), scorer, windows)
        texts = [part for parts in cut.values() for part in parts]
        scorer.keep_passages(texts, shard_id=item.shard, shard_num=item.shards)
