"""Work in shards on a Ray cluster: one actor for each GPU or group of cores. The only module that knows Ray.

Ray schedules the actors, restarts those of lost nodes elsewhere and runs their shard again. Only counts and errors are
carried back: inputs and results are in folders that all nodes share.
"""

from __future__ import annotations

import faulthandler
import functools
import logging
import os
import re
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar, get_args

from instrerank.errors import InputError, InstrerankError, MissingPrerequisiteError, pip_install
from instrerank.files import partial_path
from instrerank.files.places import reason_of
from instrerank.jobs.sidecar import versions

Engine = Literal["local", "ray"]
ENGINES: tuple[str, ...] = get_args(Engine)
"""Where a job in shards runs: in this process, or on a Ray cluster."""

_CORES = 8
"""The most cores of an actor without a GPU: beyond these, two networks side by side do more than one."""
_RETRIES = 3
"""How often Ray runs a shard again whose actor died; restarts of actors are not limited, since nodes come and go."""
_SECONDS_TO_ANSWER, _SECONDS_TO_SHARE = 10, 3

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Item], Result]

log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """Why a node refuses to work, or an item has no result.

    Attributes:
        node: address and id of the node.
        error: what was raised there, or what Ray says.
        traceback: of the error, for logs.
    """

    node: str
    error: InstrerankError
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.error} (node {self.node})"


class Outcome(NamedTuple, Generic[Item, Result]):
    """An item and what came of it.

    Attributes:
        item: as it was given.
        result: what the work returned; None if it failed.
        failure: why there is no result.
    """

    item: Item
    result: Result | None
    failure: Failure | None


def check_engine(engine: str) -> None:
    """Check the name of an engine.

    Raises:
        InputError: unknown.
    """
    if engine not in ENGINES:
        raise InputError(f"unknown `engine` {engine!r}. Available: {', '.join(ENGINES)}")


class Cluster:
    """A Ray cluster that this process is connected to.

    Attributes:
        actors: number of actors that work at the same time.
    """

    def __init__(self, *, gpu: bool):
        """Count the GPUs, or the groups of cores.

        Args:
            gpu: use the GPUs if there are any.

        Raises:
            MissingPrerequisiteError: the cluster has neither.
        """
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = int(sum(node.get("GPU", 0) for node in nodes))
        cores = [int(node["CPU"]) for node in nodes if node.get("CPU", 0) >= 1]
        if gpu and gpus:
            self.actors, self._resources = gpus, {"num_gpus": 1}
        elif cores:
            group = min([*cores, _CORES])
            self.actors, self._resources = sum(each // group for each in cores), {"num_cpus": group}
        else:
            raise MissingPrerequisiteError("the Ray cluster has no node with a core to work on: start workers first")

    def __repr__(self) -> str:
        return f"Cluster({self.actors} actors of {self._resources})"

    def map(
        self, make: Callable[[], Work[Item, Result]], items: Sequence[Item], shared: Sequence[Path]
    ) -> Iterator[Outcome[Item, Result]]:
        """Yield the outcome of each item, in the order in which they end.

        A node that refuses is left out with a warning, and the others do the work; an item whose work raises has a
        failure, and the others go on.

        Args:
            make: picklable; called on each node before its first item, to load what the work needs. What it raises
                is the node's refusal.
            items: picklable.
            shared: folders that all nodes must share with this process; they are made here.

        Raises:
            InputError: a shared folder cannot be made or written to.
            InstrerankError: all nodes refuse; of the first refusal's kind.
        """
        import ray

        with ExitStack() as stack:
            probes = [stack.enter_context(_probe(folder)) for folder in shared]
            kind = ray.remote(max_restarts=-1, max_task_retries=_RETRIES, **self._resources)(_Actor)
            made = ray.put(functools.partial(_made_here, make, probes, versions(), Path.cwd()))
            queue, refusals = deque(items), list[Failure]()
            running: dict[Any, tuple[Any, Item | None]] = {}  # no item: the actor is starting

            def start() -> None:
                actor = kind.remote(made)
                running[actor.start.remote()] = actor, None

            for _ in range(min(self.actors, len(items))):
                start()
            while queue or any(item is not None for _, item in running.values()):
                if not running:
                    raise type(refusals[0].error)(f"no node can do the work. The first: {refusals[0]}")
                [ended], _ = ray.wait(list(running))
                actor, item = running.pop(ended)
                try:
                    result, failure = ray.get(ended)
                except ray.exceptions.RayError as error:
                    actor, result, failure = None, None, _lost(error)
                if item is not None:
                    yield Outcome(item, result, failure)
                elif failure is not None:
                    log.warning(f"a node is left out: {failure}")
                    refusals.append(failure)
                    continue
                if queue and actor is None:
                    start()
                elif queue:
                    item = queue.popleft()
                    running[actor.run.remote(item)] = actor, item
                elif actor is not None:
                    ray.kill(actor)  # in its place, Ray can restart the actor of a lost node


@contextmanager
def connected(*, gpu: bool) -> Iterator[Cluster]:
    """Connect to the cluster of $RAY_ADDRESS, to the one of this machine, or start one here: as `ray.init` does.

    Args:
        gpu: as for `Cluster`.

    Raises:
        MissingPrerequisiteError: Ray is not installed, or the cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when Ray starts a cluster: it would report its use
    # read when Ray is imported: its handler would take the signals by which a JVM of this process stops its threads
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    try:
        import ray
    except ImportError as error:
        raise MissingPrerequisiteError(f"`engine` ray needs Ray: {pip_install('ray')}") from error
    if ray.is_initialized():
        yield Cluster(gpu=gpu)
        return
    address = os.environ.get("RAY_ADDRESS", "")
    _check_answers(address)
    dumps = faulthandler.is_enabled()
    try:
        ray.init(log_to_driver=False, logging_level=logging.WARNING)
    except Exception as error:  # Ray raises errors of many kinds
        raise MissingPrerequisiteError(f"cannot connect to Ray ({address or 'no RAY_ADDRESS'}): {error}") from error
    if not dumps:
        faulthandler.disable()  # which Ray has enabled, and which takes the same signal
    try:
        yield Cluster(gpu=gpu)
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Refuse an address where nobody listens: `ray.init` would try for minutes, and then end the process."""
    match = re.fullmatch(r"(?:ray://)?\[?([\w.:-]+?)\]?:(\d+)", address)
    if not match:
        return
    try:
        socket.create_connection((match[1], int(match[2])), _SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise MissingPrerequisiteError(
            f"no Ray cluster answers at {address} (RAY_ADDRESS): {reason_of(error)}. Give the address that `ray start "
            "--head` printed, such as 10.0.0.1:6379, or unset it to use this machine"
        ) from error


@contextmanager
def _probe(folder: Path) -> Iterator[Path]:
    """Make a folder, and in it a file by which other nodes see that they share it."""
    probe = partial_path(folder.absolute() / "shared")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
    except OSError as error:
        raise InputError(f"cannot write {folder}: {reason_of(error)}") from error
    try:
        yield probe
    finally:
        probe.unlink(missing_ok=True)


def _made_here(
    make: Callable[[], Work[Item, Result]], probes: Sequence[Path], wanted: dict[str, str], cwd: Path
) -> Work[Item, Result]:
    """Make the work on a node that has the same versions and folders as where the job was started.

    Raises:
        MissingPrerequisiteError: it has not.
    """
    if cwd.is_dir():  # so that relative paths mean the same here
        os.chdir(cwd)
    here = versions()
    if differ := [name for name in dict.fromkeys([*wanted, *here]) if wanted.get(name) != here.get(name)]:
        parts = (f"{name} {here.get(name, 'missing')}, not {wanted.get(name, 'missing')}" for name in differ)
        raise MissingPrerequisiteError(f"other versions than where the job was started: {'; '.join(parts)}")
    for probe in probes:
        until = time.monotonic() + _SECONDS_TO_SHARE  # network file systems may show a new file late
        while not probe.exists():
            if time.monotonic() > until:
                raise MissingPrerequisiteError(
                    f"{probe.parent} is not the folder of the machine where the job was started: put it on a file "
                    "system that all nodes share, at the same path"
                )
            time.sleep(0.2)
    return make()


class _Actor:
    """Runs in a process of its own on some node; Ray makes it again there or elsewhere if that dies."""

    def __init__(self, make: Callable[[], Work[Any, Any]]):
        """Take what makes the work."""
        self._make = make
        self._work: Work[Any, Any] | None = None

    def start(self) -> tuple[None, Failure | None]:
        """Make the work; return why this node cannot."""
        return None, self._tried(self._made)[1]

    def run(self, item: Any) -> tuple[Any, Failure | None]:
        """Return the result of an item, or why it has none."""
        return self._tried(lambda: self._made()(item))

    def _made(self) -> Work[Any, Any]:
        self._work = self._work or self._make()
        return self._work

    def _tried(self, work: Callable[[], Any]) -> tuple[Any, Failure | None]:
        import ray

        try:
            return work(), None
        except Exception as error:
            # as text: not every exception can be sent
            said = InstrerankError(f"{type(error).__name__}: {error}")
            if isinstance(error, InstrerankError):
                said = type(error)(str(error))
            node = f"{ray.util.get_node_ip_address()}, {ray.get_runtime_context().get_node_id()[:8]}"
            return None, Failure(node, said, "".join(traceback.format_exception(error)))


def _lost(error: Exception) -> Failure:
    """Return what Ray says about an actor that it gave up."""
    return Failure("lost", InstrerankError(f"Ray gave up: {next(iter(str(error).strip().splitlines()), '')}"))
