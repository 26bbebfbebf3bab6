"""Saved models in one form: readable as the umask says, and the same bytes for every hash seed."""

from __future__ import annotations

import json
from pathlib import Path

from instrerank.files import whole_file


def normalise(folder: Path, like: Path) -> None:
    """Give all files the mode of one that was written plainly, and sort the lists of an adapter's configuration.

    safetensors writes for the owner alone, and peft writes sets in the order of Python's string hashes.

    Args:
        folder: what the libraries have written.
        like: a file with the mode that the umask gives.
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
