"""Two Ray nodes on this machine, one core each; processes that hang when they write vectors, or have a full disk."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")  # as `jobs.cluster` does: a JVM needs the signal

import ray
from ray.cluster_utils import Cluster

HANGS = """
import os, pathlib, time
write, written = os.fsync, []
def fsync(descriptor):
    if len(written) == {after}:
        pathlib.Path({flag!r}).touch()
        time.sleep(3600)
    written.append(descriptor)
    write(descriptor)
os.fsync = fsync
"""
FULL = """
import errno, os, pathlib
def fsync(descriptor):
    pathlib.Path({flag!r}).touch()
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
os.fsync = fsync
"""
WAITS = """
import os, pathlib, time
write = os.fsync
def fsync(descriptor):
    while not pathlib.Path({flag!r}).exists():
        time.sleep(0.05)
    write(descriptor)
os.fsync = fsync
"""


def customized(folder: Path, code: str, flag: Path, **more: object) -> dict[str, str]:
    """Return the environment in which every Python runs HANGS, FULL or WAITS when it starts, which all mind the flag.

    Vectors are written with `os.fsync`: a process hangs in the call number `after`, or its disk is full, or it waits
    until the other process has come that far, so that both have work.
    """
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(code.format(flag=str(flag), **more))
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}


@contextmanager
def two_nodes(monkeypatch, first: dict[str, str], second: dict[str, str]) -> Iterator[Callable[[], None]]:
    """Start two nodes with these environments at RAY_ADDRESS; yield a function that kills the second."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    memory = {"num_cpus": 1, "object_store_memory": 80 << 20}
    health = {"health_check_period_ms": 500, "health_check_timeout_ms": 500, "health_check_failure_threshold": 2}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={**memory, "include_dashboard": False, "env_vars": first, "_system_config": health},
    )
    try:
        node = cluster.add_node(**memory, env_vars=second)
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        yield lambda: cluster.remove_node(node, allow_graceful=False)
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def killed_when(flag: Path, kill: Callable[[], None]) -> Iterator[None]:
    """Kill something as soon as a file is there, while the block runs, which must not end before."""
    ended = threading.Event()

    def wait() -> None:
        while not flag.exists():
            if ended.is_set():
                return
            time.sleep(0.05)
        kill()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert flag.exists()
