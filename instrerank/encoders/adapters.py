"""LoRA adapters: merged into the weights, and proved to have arrived there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from instrerank.encoders.tensors import read_weights
from instrerank.errors import InputError, MissingPrerequisiteError

if TYPE_CHECKING:
    import torch


def merge_adapter(model: torch.nn.Module, folder: Path, *, allow_bin: bool = False) -> torch.nn.Module:
    """Merge the LoRA adapter in `folder` into a network.

    An adapter whose keys do not match loads silently as the bare base model (sentence-transformers#2465,
    #2979, #3052), so every key must match, and the weights must change something.

    Args:
        model: the base network, without language-model head.
        folder: `adapter_config.json` and `adapter_model.safetensors`, as peft saves them.
        allow_bin: read `adapter_model.bin` (restricted unpickling) where there is no safetensors file.

    Raises:
        InputError: not a LoRA adapter, an adapter of another base, or one whose weights are all zero.
        MissingPrerequisiteError: peft is not installed.
    """
    try:
        import peft
    except ImportError as error:
        raise MissingPrerequisiteError("LoRA adapters need the package peft: pip install peft") from error

    try:
        config = peft.PeftConfig.from_pretrained(str(folder))
    except Exception as error:  # a missing or malformed file raises several types
        raise InputError(f"no peft adapter in {folder}: {error}") from error
    if config.peft_type != peft.PeftType.LORA:
        raise InputError(f"{folder} holds a {config.peft_type} adapter; only LoRA adapters can be merged")
    config.task_type = None  # an adapter trained under a language-model head fits the network below it too
    config.inference_mode = True
    weights = read_weights(folder / "adapter_model.safetensors", folder / "adapter_model.bin", allow_bin=allow_bin)
    if not any(bool(value.any()) for key, value in weights.items() if "lora_B" in key):
        raise InputError(f"the adapter in {folder} changes nothing: all its lora_B weights are zero or missing")
    try:
        adapted = peft.get_peft_model(model, config)
        result = peft.set_peft_model_state_dict(adapted, _without_head(weights, adapted))
    except (ValueError, RuntimeError) as error:  # no such module, or another shape
        # torch lists every weight of another shape, one a line
        reason = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise InputError(f"the adapter in {folder} is for another base model: {reason}") from error
    missing = [key for key in result.missing_keys if "lora_" in key]
    wrong = list(result.unexpected_keys) + missing
    if wrong:
        raise InputError(
            f"the adapter in {folder} does not fit its base model: {len(result.unexpected_keys)} of its "
            f"weights have no place, {len(missing)} places have no weight ({', '.join(wrong[:3])}, …)"
        )
    merged: torch.nn.Module = adapted.merge_and_unload()
    return merged.eval()


def _without_head(weights: dict[str, torch.Tensor], adapted: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Drop the `model.` that a language-model class puts before the network's own names."""
    deep, flat = "base_model.model.model.", "base_model.model."
    known = [key for key, _ in adapted.named_parameters()]
    if all(key.startswith(deep) for key in weights) and not any(key.startswith(deep) for key in known):
        return {flat + key.removeprefix(deep): value for key, value in weights.items()}
    return weights
