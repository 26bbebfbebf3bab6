"""Merging of LoRA adapters into weights, with checks that every adapter weight is used."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrerank.encoders.locate import read_json
from instrerank.encoders.networks.tensors import read_weights
from instrerank.errors import InputError, MissingPrerequisiteError, pip_install

if TYPE_CHECKING:
    import torch

_ROOT = "base_model.model."
"""Prefix that peft adds to the names of a network's modules."""
_LONGEST_MATCH = 10
_USED = ("peft_type", "r", "lora_alpha", "use_rslora", "target_modules", "exclude_modules")
_IRRELEVANT = (
    *("auto_mapping", "base_model_name_or_path", "inference_mode", "lora_dropout", "megatron_core", "peft_version"),
    *("qalora_group_size", "revision", "runtime_config", "task_type"),
)
"""Settings of peft that do not affect the merged weights."""


def merge_plain_adapter(
    weights: Mapping[str, torch.Tensor], folder: Path, prefixes: Sequence[str], *, allow_bin: bool = False
) -> dict[str, torch.Tensor] | None:
    """Merge a plain LoRA adapter into a network's tensors, W + scale · B A, without transformers and peft.

    Args:
        weights: the tensors of the network's checkpoint by name.
        folder: folder with `adapter_config.json` and `adapter_model.safetensors`, as peft saves them.
        prefixes: prefixes, including the dot, that checkpoints may add to the names of the bare network.
        allow_bin: read `adapter_model.bin` (restricted unpickling) if there is no safetensors file.

    Returns:
        All tensors, the merged ones in float32. None if the adapter is not a plain one or does not fit:
        `merge_adapter` then merges it, or reports what is wrong.

    Raises:
        InputError: the adapter's files cannot be read, or its weights are all zero.
    """
    config = read_json(folder / "adapter_config.json")
    if not _is_plain(config):
        return None
    # checkpoints with a task head prefix the encoder's modules, and the adapter belongs only to those
    prefix = next((one for one in prefixes if any(name.startswith(one) for name in weights)), "")
    modules = {
        _ROOT + name.removeprefix(prefix).removesuffix(".weight"): name
        for name, tensor in weights.items()
        if name.startswith(prefix) and name.endswith(".weight") and tensor.dim() == 2
    }
    adapter = _without_head(_adapter_weights(folder, allow_bin=allow_bin), modules)
    rank = config["r"]
    scale = config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank)
    merged = dict(weights)
    paths = [module.removeprefix(_ROOT) for module in modules]
    targets = _named(config["target_modules"], paths) - _named(config.get("exclude_modules") or [], paths)
    for module, name in modules.items():
        if module.removeprefix(_ROOT) not in targets:
            continue
        down, up = (adapter.pop(f"{module}.lora_{part}.weight", None) for part in "AB")
        outputs, inputs = weights[name].shape
        if down is None or up is None or down.shape != (rank, inputs) or up.shape != (outputs, rank):
            return None
        merged[name] = weights[name].float() + up.float() @ down.float() * scale
    return None if adapter else merged  # leftover weights belong to no module


def _is_plain(config: Mapping[str, Any]) -> bool:
    """Return whether peft would merge W + scale · B A with one rank and scale, and nothing else."""
    known = {*_USED, *_IRRELEVANT}
    return (
        config.get("peft_type") == "LORA"
        and all(type(config.get(name)) in (int, float) and config[name] > 0 for name in ("r", "lora_alpha"))
        and isinstance(config.get("target_modules"), (str, list))
        and config.get("bias", "none") == "none"
        # others, such as PiSSA, change the base too
        and config.get("init_lora_weights", True) in (True, False)
        # every variant of LoRA, including future ones, is a setting that is not empty
        and not any(config[name] for name in config.keys() - known - {"bias", "init_lora_weights"})
    )


def _named(patterns: str | Sequence[str], paths: Sequence[str]) -> set[str]:
    """Return the modules that peft takes to be named: by a regular expression, or by the end of their paths."""
    if isinstance(patterns, str):
        return _matching(patterns, paths)
    return {path for path in paths if any(f".{path}".endswith(f".{pattern}") for pattern in patterns)}


_MATCH = """
import json, re, sys
pattern, paths = json.load(sys.stdin)
try:
    json.dump([path for path in paths if re.fullmatch(pattern, path)], sys.stdout)
except re.error:
    json.dump([], sys.stdout)
"""


def _matching(pattern: str, paths: Sequence[str]) -> set[str]:
    """Return the paths that a regular expression matches; none where it is not one: peft says what is wrong with it.

    Another process does it, which can be ended: there are short expressions that take years.

    Raises:
        InputError: it takes longer than `_LONGEST_MATCH` seconds.
    """
    command = [sys.executable, "-I", "-S", "-c", _MATCH]
    try:
        found = subprocess.run(
            command, input=json.dumps([pattern, list(paths)]), capture_output=True, text=True, timeout=_LONGEST_MATCH
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(f"adapter_config.json: the pattern {pattern!r:.80} takes too long to match") from error
    return set(json.loads(found.stdout or "[]"))


def _check_patterns(config: Any, paths: Sequence[str]) -> None:
    """Refuse an adapter with a pattern that peft would match for ever."""
    patterns = [each for each in (config.target_modules, config.exclude_modules) if isinstance(each, str)]
    patterns += [f"(.*\\.)?({key})" for each in (config.rank_pattern, config.alpha_pattern) for key in each or ()]
    layers = config.layers_pattern or ()
    patterns += [rf".*\.{each}\.(\d+)\..*" for each in ([layers] if isinstance(layers, str) else layers)]
    for pattern in patterns:
        _matching(pattern, paths)


def merge_adapter(model: torch.nn.Module, folder: Path, *, allow_bin: bool = False) -> torch.nn.Module:
    """Merge the LoRA adapter in `folder` into a network.

    In other libraries an adapter whose keys do not match is silently ignored (sentence-transformers#2465, #2979,
    #3052); here every key must match, and the weights must not all be zero.

    Args:
        model: the base network, without language-model head.
        folder: folder with `adapter_config.json` and `adapter_model.safetensors`, as peft saves them.
        allow_bin: read `adapter_model.bin` (restricted unpickling) if there is no safetensors file.

    Raises:
        InputError: not a LoRA adapter, an adapter for another base model, or one whose weights are all zero.
        MissingPrerequisiteError: the adapter is not a plain one, and peft is not installed.
    """
    merged = merge_plain_adapter(model.state_dict(), folder, (), allow_bin=allow_bin)
    if merged is None:
        return merge_by_peft(model, folder, allow_bin=allow_bin)
    model.load_state_dict(merged)
    return model.eval()


def merge_by_peft(model: torch.nn.Module, folder: Path, *, allow_bin: bool = False) -> torch.nn.Module:
    """Merge any LoRA adapter with peft; arguments and errors as for `merge_adapter`."""
    try:
        import peft
    except ImportError as error:
        raise MissingPrerequisiteError(f"this LoRA adapter needs the package peft: {pip_install('peft')}") from error

    try:
        config = peft.PeftConfig.from_pretrained(str(folder))
    except Exception as error:  # a missing or malformed file raises several types
        raise InputError(f"{folder} is not a peft adapter: {error}") from error
    if config.peft_type != peft.PeftType.LORA:
        raise InputError(f"{folder} is a {config.peft_type} adapter; only LoRA adapters can be merged")
    config.task_type = None  # an adapter trained under a language-model head fits the network below it too
    config.inference_mode = True
    weights = _adapter_weights(folder, allow_bin=allow_bin)
    try:
        _check_patterns(config, [name for name, _ in model.named_modules()])
        adapted = peft.get_peft_model(model, config)
        known = [name for name, _ in adapted.named_parameters()]
        result = peft.set_peft_model_state_dict(adapted, _without_head(weights, known))
    except InputError:
        raise
    except ImportError as error:
        raise MissingPrerequisiteError(f"the adapter in {folder} needs another package: {error}") from error
    except (ValueError, RuntimeError, TypeError, re.error) as error:  # no such module, another shape, no number
        # torch lists every weight of another shape, one a line
        reason = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise InputError(f"the adapter in {folder} is for another base model: {reason}") from error
    missing = [key for key in result.missing_keys if "lora_" in key]
    wrong = list(result.unexpected_keys) + missing
    if wrong:
        raise InputError(
            f"the adapter in {folder} does not fit its base model: {len(result.unexpected_keys)} weights are not "
            f"expected, {len(missing)} expected weights are missing ({', '.join(wrong[:3])}, …)"
        )
    network: torch.nn.Module = adapted.merge_and_unload()
    return network.eval()


def _adapter_weights(folder: Path, *, allow_bin: bool) -> dict[str, torch.Tensor]:
    weights = read_weights(folder / "adapter_model.safetensors", folder / "adapter_model.bin", allow_bin=allow_bin)
    if not any(bool(value.any()) for key, value in weights.items() if "lora_B" in key):
        raise InputError(f"the adapter in {folder} has no effect: all its lora_B weights are zero or missing")
    return weights


def _without_head(weights: dict[str, torch.Tensor], known: Collection[str]) -> dict[str, torch.Tensor]:
    """Drop the prefix `model.` that a language-model class adds to the network's own (`known`) names."""
    deep = f"{_ROOT}model."
    if all(key.startswith(deep) for key in weights) and not any(key.startswith(deep) for key in known):
        return {_ROOT + key.removeprefix(deep): value for key, value in weights.items()}
    return weights
