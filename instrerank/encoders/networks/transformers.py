"""Load networks with transformers, in a given precision, on a given device, and check that no weight is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from instrerank.encoders.locate import shards
from instrerank.encoders.networks.adapters import merge_adapter
from instrerank.encoders.networks.tensors import bin_hint
from instrerank.errors import InputError, MissingPrerequisiteError

if TYPE_CHECKING:
    import torch


@contextmanager
def no_bars() -> Iterator[None]:
    """Keep the progress bars of transformers off standard error."""
    import transformers

    shown = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers.utils.logging.enable_progress_bar()


def load_network(
    folder: Path,
    auto_class: str,
    *,
    dtype: str,
    device: str,
    adapter: Path | None = None,
    trust_remote_code: bool = False,
    allow_bin: bool = False,
) -> torch.nn.Module:
    """Load a network through transformers, ready for inference.

    Args:
        folder: folder of its weights and `config.json`.
        auto_class: transformers class to load it with, such as "AutoModel".
        dtype: "float32", "bfloat16" or "float16": named always, because transformers 5 would otherwise take the
            checkpoint's own.
        device: a torch device.
        adapter: folder of a LoRA adapter to merge into the weights.
        trust_remote_code: run Python code from `folder`.
        allow_bin: read `.bin` weights (restricted unpickling) if there is no safetensors file.

    Raises:
        InputError: weights that are missing, corrupt, or of another architecture; an unsupported dtype.
        MissingPrerequisiteError: an adapter without the package peft.
    """
    import torch
    import transformers

    if dtype not in ("float32", "bfloat16", "float16"):
        raise InputError(f"this network does not support `dtype` {dtype}. Available: float32, bfloat16, float16")
    for index in folder.glob("*.index.json"):
        shards(index)
    try:
        with no_bars():
            model, info = getattr(transformers, auto_class).from_pretrained(
                str(folder),
                dtype=getattr(torch, dtype),
                use_safetensors=None if allow_bin else True,
                trust_remote_code=trust_remote_code,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:  # corrupt files raise whatever their parsers raise
        hint = bin_hint(folder, allow_bin=allow_bin)
        raise InputError(f"cannot load the network in {folder}: {error}{hint}") from error
    missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if missing:
        raise InputError(
            f"the weights in {folder} lack {len(missing)} parameters of a {type(model).__name__} "
            f"({', '.join(missing[:3])}, …), which would stay random: use a checkpoint of that architecture"
        )
    if hasattr(model.config, "use_cache"):
        model.config.use_cache = False
    if adapter is not None:
        model = merge_adapter(model, adapter, allow_bin=allow_bin)
    network: torch.nn.Module = model.eval().to(device)
    return network


def resolve_device(device: str) -> str:
    """Return the torch device for `device`.

    Raises:
        InputError: not the name of a device.
        MissingPrerequisiteError: this machine does not have the device.
    """
    import torch

    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError:
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise InputError(f"unknown `device` {device!r}. Available: auto, cpu, cuda, cuda:N")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise MissingPrerequisiteError(
            f"`device` {device} is not available: torch {torch.__version__} finds {torch.cuda.device_count()} CUDA "
            "devices. Use `device` cpu or auto"
        )
    return f"cuda:{found.index or 0}" if found.type == "cuda" else "cpu"


def resolve_dtype(dtype: str, device: str) -> str:
    """Return the precision for `dtype`: "auto" is bfloat16 on a GPU that supports it, else float32."""
    if dtype != "auto":
        return dtype
    import torch

    return "bfloat16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "float32"
