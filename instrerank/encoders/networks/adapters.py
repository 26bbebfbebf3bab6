"""Merging of LoRA adapters into weights, with checks that every adapter weight is used."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrerank.encoders.networks.adapter_files import ROOT, Adapter, matching, named, read_adapter
from instrerank.errors import InputError, MissingPrerequisiteError, pip_install

if TYPE_CHECKING:
    import peft
    import torch

_UNMERGEABLE = {
    "layer_replication": "it repeats layers of its base, whose weights they share",
    "alora_invocation_tokens": "it acts only on tokens that follow its invocation tokens",
}
"""Settings of peft whose effect no change of the base's weights has."""


def merge_plain_adapter(
    weights: Mapping[str, torch.Tensor],
    folder: Path,
    prefixes: Sequence[str],
    *,
    linear: Collection[str] | None = None,
    allow_bin: bool = False,
) -> dict[str, torch.Tensor] | None:
    """Merge a plain LoRA adapter into a network's tensors, W + scale · B A, without transformers and peft.

    Args:
        weights: the tensors of the network's checkpoint by name.
        folder: folder with `adapter_config.json` and `adapter_model.safetensors`, as peft saves them.
        prefixes: prefixes, including the dot, that checkpoints may add to the names of the bare network.
        linear: names of the linear layers; None: whatever has a matrix as its weight.
        allow_bin: read `adapter_model.bin` (restricted unpickling) if there is no safetensors file.

    Returns:
        All tensors, the merged ones in float32. None if the adapter is not a plain one or does not fit:
        `merge_adapter` then merges it, or reports what is wrong.

    Raises:
        InputError: the adapter's files cannot be read, or its weights have no effect.
    """
    # checkpoints with a task head prefix the encoder's modules
    prefix = next((one for one in prefixes if any(name.startswith(one) for name in weights)), "")
    bare = {name.removeprefix(prefix): name for name in weights if name.startswith(prefix)}
    adapter = read_adapter(folder, bare, allow_bin=allow_bin)
    if not adapter.is_plain:
        return None
    config, left = adapter.settings, dict(adapter.weights)
    modules = {
        adapter.place + name.removesuffix(".weight"): stored
        for name, stored in bare.items()
        if name.endswith(".weight")
        and weights[stored].dim() == 2
        and (linear is None or name.removesuffix(".weight") in linear)
        and ("pooler" not in name or adapter.has_pooler)
    }
    rank = config["r"]
    scale = config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank)
    merged, paths = dict(weights), list(modules)
    for module in named(config["target_modules"], paths) - named(config.get("exclude_modules") or [], paths):
        down, up = (left.pop(f"{ROOT}{module}.lora_{part}.weight", None) for part in "AB")
        base = weights[modules[module]]
        outputs, inputs = base.shape
        if down is None or up is None or down.shape != (rank, inputs) or up.shape != (outputs, rank):
            return None
        merged[modules[module]] = base.float() + up.float() @ down.float() * scale
    return None if left else merged  # leftover weights belong to no module


def merge_adapter(model: torch.nn.Module, folder: Path, *, allow_bin: bool = False) -> torch.nn.Module:
    """Merge the LoRA adapter in `folder` into a network.

    In other libraries an adapter whose keys do not match is silently ignored (sentence-transformers#2465, #2979,
    #3052); here every key must match, and the weights must not all be zero.

    Args:
        model: the base network, with or without the head the adapter was trained under.
        folder: folder with `adapter_config.json` and `adapter_model.safetensors`, as peft saves them.
        allow_bin: read `adapter_model.bin` (restricted unpickling) if there is no safetensors file.

    Raises:
        InputError: not a LoRA adapter, an adapter for another base model, or one whose weights have no effect.
        MissingPrerequisiteError: the adapter is not a plain one, and peft is not installed.
    """
    import torch

    owners = _owners(model)
    linear = {
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and owners[id(module.weight)] == 1
    }
    merged = merge_plain_adapter(model.state_dict(), folder, (), linear=linear, allow_bin=allow_bin)
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
    if not isinstance(config, peft.LoraConfig):
        raise InputError(f"{folder} is a {config.peft_type} adapter; only LoRA adapters can be merged")
    adapter = read_adapter(folder, model.state_dict(), allow_bin=allow_bin)
    _check_settings(adapter, config, peft.__version__)
    config.task_type = None  # a head is not needed
    config.base_model_name_or_path = None  # peft warns if a base has moved
    config.inference_mode = True
    pooler = None if adapter.has_pooler else getattr(model, "pooler", None)
    if pooler is not None:
        model.pooler = None  # type: ignore[assignment]  # peft would expect weights for it
    try:
        trained = _below(model, adapter.place)
        _check_patterns(config, [name for name, _ in trained.named_modules()])
        if str(config.target_modules).lower() == "all-linear" and trained is not model:
            config.target_modules = _linear_layers(trained)
        adapted = peft.get_peft_model(trained, config)
        result = peft.set_peft_model_state_dict(adapted, adapter.weights)
        missing = [key for key in result.missing_keys if "lora_" in key]
        wrong = list(result.unexpected_keys) + missing
        if wrong:
            raise InputError(
                f"the adapter in {folder} does not fit its base model: {len(result.unexpected_keys)} weights are not "
                f"expected, {len(missing)} expected weights are missing ({', '.join(wrong[:3])}, …)"
            )
        _separate(adapted)
        adapted.merge_and_unload()
    except InputError:
        raise
    except ImportError as error:
        raise MissingPrerequisiteError(f"the adapter in {folder} needs another package: {error}") from error
    except (ValueError, RuntimeError, TypeError, LookupError, AttributeError, re.error) as error:
        # torch lists every weight of another shape, one a line
        reason = " ".join(line.strip() for line in f"{type(error).__name__}: {error}".splitlines()[:2])
        raise InputError(
            f"the adapter in {folder} cannot be merged into this network (is it for another base model?): {reason}"
        ) from error
    if pooler is not None:
        model.pooler = pooler
    return model.eval()


def _check_settings(adapter: Adapter, config: peft.LoraConfig, version: str) -> None:
    """Refuse what this version of peft would leave out, and what cannot be merged."""
    given = {name for name, value in adapter.settings.items() if value}
    known = {field.name for field in dataclasses.fields(config)}
    if unknown := sorted(given - known):
        raise InputError(
            f"{adapter.folder}: adapter_config.json has settings that peft {version} does not know "
            f"({', '.join(unknown)}): install the version of peft that saved it"
        )
    for name, reason in _UNMERGEABLE.items():
        if name in given:
            raise InputError(f"the adapter in {adapter.folder} cannot be merged: {reason} ({name})")
    if str(config.init_lora_weights).startswith("pissa_niter_"):
        raise InputError(
            f"the adapter in {adapter.folder} cannot be merged: its training changed the base by factors drawn at "
            f"random, which are not stored (init_lora_weights {config.init_lora_weights}): convert it to plain LoRA "
            "when saving it (peft's path_initial_model_for_weight_conversion)"
        )


def _check_patterns(config: peft.LoraConfig, paths: Sequence[str]) -> None:
    """Refuse an adapter with a pattern that peft would match for ever."""
    patterns = [each for each in (config.target_modules, config.exclude_modules) if isinstance(each, str)]
    patterns += [f"(.*\\.)?({key})" for each in (config.rank_pattern, config.alpha_pattern) for key in each or ()]
    layers = config.layers_pattern or ()
    patterns += [rf".*\.{each}\.(\d+)\..*" for each in ([layers] if isinstance(layers, str) else layers)]
    for pattern in patterns:
        matching(pattern, paths)


def _below(network: torch.nn.Module, place: str) -> torch.nn.Module:
    """Return a module in which the network's modules have the names they had in training, for patterns to match."""
    import torch

    if not place:
        return network
    whole: Any = network
    for name in reversed(place.removesuffix(".").split(".")):
        outer: Any = torch.nn.Module()
        outer.add_module(name, whole)
        whole = outer
    # what peft asks of a network of transformers
    whole.config, whole.is_gradient_checkpointing = network.config, False
    whole.get_input_embeddings = getattr(network, "get_input_embeddings", None)
    module: torch.nn.Module = whole
    return module


def _linear_layers(network: torch.nn.Module) -> set[str]:
    """Return what peft's "all-linear" names in a network without head."""
    import torch
    from transformers.pytorch_utils import Conv1D

    return {name for name, module in network.named_modules() if isinstance(module, (torch.nn.Linear, Conv1D))}


def _owners(network: torch.nn.Module) -> Counter[int]:
    """Return how many modules have each parameter, by its `id`: tied ones have several."""
    return Counter(id(each) for module in network.modules() for each in module.parameters(recurse=False))


def _separate(adapted: torch.nn.Module) -> None:
    """Prepare layers for merging as they compute unmerged.

    One whose weight is tied to another module's gets its own, and one without a bias whose adapter has one
    (`lora_bias`) gets a bias of zeros.
    """
    import torch
    from peft.tuners.lora import LoraLayer

    owners = _owners(adapted)
    for module in adapted.modules():
        if not isinstance(module, LoraLayer):
            continue
        base: Any = module.get_base_layer()
        if owners[id(getattr(base, "weight", None))] > 1:
            base.weight = torch.nn.Parameter(base.weight.detach().clone())
        if any(module.lora_bias.values()) and getattr(base, "bias", None) is None:
            base.bias = torch.nn.Parameter(base.weight.new_zeros(module.out_features))
