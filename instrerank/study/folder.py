"""The folder of a study: what it was made of, which of its runs are there, and a log of what took how long."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instrerank.errors import InputError
from instrerank.files import check_writable, read_yaml_file, remove_abandoned, sha256, whole_file
from instrerank.jobs.described import described_source
from instrerank.jobs.sidecar import read_sidecar, versions
from instrerank.study.configuration import Configuration

RECORD = "study.yaml"
LOG = "log.jsonl"

_INPUTS = ("topics", "qrels", "corpus", "index", "run", "instructions", "changed_instructions", "changed_qrels")


def open_folder(folder: Path, configuration: Configuration, *, resume: bool) -> None:
    """Take a new folder for a study, or one that holds the very same study, unfinished or not.

    Raises:
        InputError: the folder cannot be written, holds a study and `resume` is not asked for, or holds a study of
            another configuration, other inputs or other versions.
    """
    import yaml

    path = check_writable(folder / RECORD)
    record = {
        "configuration": configuration.as_data(),
        "inputs": {key: described_source(value) for key in _INPUTS if (value := getattr(configuration, key))},
        "versions": versions(),
    }
    if not path.exists():
        with whole_file(path) as file:
            yaml.safe_dump(record, file, sort_keys=False, allow_unicode=True, width=100)
        return
    if not resume:
        raise InputError(f"{folder} holds a study: add --resume to go on with it, or name another --output")
    found = read_yaml_file(path)
    changes = list(_differences(found, record))
    if changes:
        raise InputError(
            f"{folder} holds another study; changed since: {'; '.join(changes)}. Name another --output, or go back"
        )
    remove_abandoned(folder, recursive=True)


def _differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            yield from _differences(before.get(key), now.get(key), f"{place}.{key}" if place else str(key))
    elif before != now:
        yield f"{place} was {before!r}, is {now!r}"


def is_complete(run: Path) -> bool:
    """Tell whether a run is there as its sidecar, which is written after it, says."""
    try:
        recorded: str = read_sidecar(run)["run"]["sha256"]
        return recorded == sha256(run)
    except (InputError, OSError, KeyError, TypeError):
        return False


class Log:
    """What was done when and how long it took: the one file of a study that is not the same twice."""

    def __init__(self, folder: Path) -> None:
        """Append to the log of a folder."""
        self._path = folder / LOG

    def write(self, **entry: Any) -> None:
        """Append one line."""
        entry["time"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    @contextmanager
    def timed(self, **entry: Any) -> Iterator[None]:
        """Append one line with the wall-clock seconds that the block took, if it ended well."""
        started = time.perf_counter()
        yield
        self.write(**entry, seconds=round(time.perf_counter() - started, 3))
