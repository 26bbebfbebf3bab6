"""Normalising saved models: file modes according to the umask, and the same bytes for every hash seed."""

from __future__ import annotations

import json
from pathlib import Path

from instrerank.files import whole_file


def normalise(folder: Path, like: Path) -> None:
    """Give all files the default mode, and sort the lists in an adapter's configuration.

    safetensors makes files readable by the owner only, and peft writes sets in the order of Python's string hashes.

    Args:
        folder: folder written by the libraries.
        like: a file with the mode determined by the umask.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(like.stat().st_mode)
    adapter = folder / "adapter_config.json"
    if adapter.exists():
        fields = json.loads(adapter.read_text("utf-8"))
        settled = {name: sorted(value) if isinstance(value, list) else value for name, value in fields.items()}
        with whole_file(adapter) as file:
            json.dump(settled, file, indent=2, sort_keys=True)
