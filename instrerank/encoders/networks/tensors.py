"""Reading weights without running anybody's code, and the fingerprint of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from instrerank.errors import InputError
from instrerank.files import sha256

if TYPE_CHECKING:
    import torch

_WEIGHTS, _PICKLED = ("*.safetensors", "*.safetensors.index.json"), ("pytorch_model*", "adapter_model.bin")
_SETTINGS = (
    *("config.json", "modules.json", "sentence_*_config.json", "config_sentence_transformers.json"),
    *("adapter_config.json", "instrerank.json"),
    "*.py",
    # decides nothing, but minilm has it, and published runs name the fingerprint that counts it
    "data_config.json",
)
_TOKENIZER = (
    *("tokenizer*", "vocab*", "merges.txt", "*.model", "*.tiktoken", "bpe.codes"),
    *("special_tokens_map.json", "added_tokens.json"),
)


def read_weights(path: Path, pickled: Path, *, allow_bin: bool) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file.

    Args:
        path: the safetensors file.
        pickled: older format, read only if `path` does not exist and `allow_bin` is set.
        allow_bin: read `pickled` (tensors only: restricted unpickling).

    Raises:
        InputError: neither can be read.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.is_file():
            return dict(load_file(str(path)))
        if allow_bin and pickled.is_file():
            return dict(torch.load(pickled, map_location="cpu", weights_only=True))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise InputError(f"cannot read weights: {path if path.is_file() else pickled}: {error}") from error
    raise InputError(f"no {path.name} in {path.parent}{bin_hint(pickled.parent, allow_bin=allow_bin)}")


def bin_hint(folder: Path, *, allow_bin: bool) -> str:
    """Return a hint on how to read a folder that has weights only in `.bin` files."""
    if allow_bin or not any(folder.glob("*.bin")):
        return ""
    return ". To read its .bin weights (restricted unpickling, no code), set `allow_bin`"


def fingerprint(folders: Iterable[Path], settings: str) -> str:
    """Return a hex digest of everything that determines a vector: weights, configs, tokenizers and settings.

    Args:
        folders: folders of the model and its adapter, each with one level of subfolders.
        settings: any text that distinguishes two uses of the same files.
    """
    digest = hashlib.sha256(settings.encode())
    for folder in folders:
        for path in sorted(path for place in (folder, *folder.glob("*/")) for path in _decisive(place)):
            digest.update(f"\0{path.relative_to(folder).as_posix()}\0{sha256(path)}".encode())
    return digest.hexdigest()


def _decisive(folder: Path) -> set[Path]:
    """Return the files of one folder that are read, as far as names say: others may come and go."""
    weights = {path for pattern in _WEIGHTS for path in folder.glob(pattern)}
    weights = weights or {path for pattern in _PICKLED for path in folder.glob(pattern)}
    rest = {path for pattern in (*_SETTINGS, *_TOKENIZER) for path in folder.glob(pattern)}
    return {path for path in weights | rest if path.is_file()}
