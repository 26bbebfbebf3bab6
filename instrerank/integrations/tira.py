"""A submission folder for TIRA and TIREx: `run.txt` and `ir-metadata.yml`, from a run and its sidecar."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instrerank.errors import InputError
from instrerank.files import whole_file
from instrerank.trec import Run, write_run

REQUIRED = (
    "actor.team",
    "implementation.source.repository",
    "data.test collection.name",
    "method.name",
    "method.description",
)
"""Fields required by TIRA's check of a run with metadata (`RunWithIrMetadata` in `tira.check_format`)."""


def tira_metadata(run: Run, sidecar: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata of a submission.

    Args:
        run: the run, whose tag is also the method name unless `fields` sets one.
        sidecar: metadata of the run, in the sections of ir_metadata.
        fields: metadata that only the user knows, by dotted path: `{"actor.team": "…"}`.

    Raises:
        InputError: a required field is missing, or part of a path is not a section.
    """
    metadata = {**sidecar, "tag": run.tag}
    for path, value in {"method.name": run.tag, **fields}.items():
        *sections, name = path.split(".")
        section = metadata
        for part in sections:
            if not isinstance(section.get(part, {}), Mapping):
                raise InputError(f"`metadata` {path}: {part} is not a section of the sidecar")
            # copied on the way: the sidecar stays as it is
            section[part] = dict(section.get(part, {}))
            section = section[part]
        section[name] = value
    missing = [path for path in REQUIRED if not isinstance(_value(metadata, path), str)]
    if missing:
        raise InputError(f"TIRA requires {', '.join(missing)}: set each of them in `metadata`")
    return metadata


def write_tira_folder(folder: str | Path, run: Run, metadata: Mapping[str, Any]) -> None:
    """Write the two files of a submission: the run as `run.txt`, and its `tira_metadata` as `ir-metadata.yml`."""
    with whole_file(Path(folder) / "ir-metadata.yml") as file:
        import yaml

        yaml.safe_dump(dict(metadata), file, sort_keys=False, allow_unicode=True, width=100)
    write_run(Path(folder) / "run.txt", run)


def _value(metadata: Mapping[str, Any], path: str) -> Any:
    value: Any = metadata
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
