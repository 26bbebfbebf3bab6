"""The folder of a study: its record, which runs are complete, and a log of the time that each step took."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instrerank.errors import InputError
from instrerank.files import check_writable, remove_abandoned, sha256, whole_file
from instrerank.files.values import read_mapping
from instrerank.jobs.described import described_source
from instrerank.jobs.sidecar import read_sidecar, versions
from instrerank.study.plan import Plan
from instrerank.trec import Run, read_run

RECORD = "study.yaml"
LOG = "log.jsonl"

_INPUTS = (
    *("topics", "qrels", "corpus", "index", "run", "exclude"),
    *("instructions", "changed_instructions", "changed_qrels", "prompts"),
)


def open_folder(folder: Path, plan: Plan, *, resume: bool) -> None:
    """Prepare a new folder for a study, or check that a folder holds the same study.

    Raises:
        InputError: the folder cannot be written; holds a study, without `resume`; or holds a study of another
            configuration, other inputs or other versions.
    """
    import yaml

    path, configuration = check_writable(folder / RECORD), plan.configuration
    record: dict[str, Any] = {
        "configuration": configuration.as_data(),
        "inputs": {key: described_source(value) for key in _INPUTS if (value := getattr(configuration, key))},
        "versions": versions(),
    }
    if plan.notes:
        record["notes"] = plan.notes
    if not path.exists():
        with whole_file(path) as file:
            yaml.safe_dump(record, file, sort_keys=False, allow_unicode=True, width=100)
        return
    if not resume:
        raise InputError(f"{folder} already holds a study: pass `resume` to continue it, or choose another `output`")
    found = read_mapping(path, "the record of a study")
    changes = list(_differences(found, record))
    if changes:
        raise InputError(
            f"{folder} holds a different study: {'; '.join(changes)}. Choose another `output`, or undo the changes"
        )
    remove_abandoned(folder, recursive=True)


def _differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            yield from _differences(before.get(key), now.get(key), f"{place}.{key}" if place else str(key))
    elif before != now:
        yield f"{place} was {before!r} and is now {now!r}"


def is_complete(run: Path) -> bool:
    """Return whether a run exists with the hash that its sidecar records."""
    try:
        recorded: str = read_sidecar(run)["run"]["sha256"]
        return recorded == sha256(run)
    except (InputError, OSError, KeyError, TypeError):
        return False


def read_study_run(path: Path) -> Run:
    """Read a run of a study: an empty file if the first stage finds nothing for any topic."""
    return read_run(path) if path.stat().st_size else Run("", {})


class Log:
    """The log of a study: what was done when, and how long it took; it differs each time."""

    def __init__(self, folder: Path) -> None:
        """Open the log of a study's folder for appending."""
        self._path = folder / LOG

    def write(self, **entry: Any) -> None:
        """Append one line."""
        entry["time"] = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    @contextmanager
    def timed(self, **entry: Any) -> Iterator[None]:
        """Append one line with the wall-clock seconds of the block, if it succeeds."""
        started = time.perf_counter()
        yield
        self.write(**entry, seconds=round(time.perf_counter() - started, 3))
