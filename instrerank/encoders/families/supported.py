"""Checkpoints that a text encoder would misread are refused, by the true reason, before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from instrerank.encoders.families.layouts import Layout
from instrerank.encoders.locate import read_json, shown_name
from instrerank.encoders.networks.transformers import ENCODERS
from instrerank.errors import InputError

_OTHER_FORMATS = (
    "*.onnx",
    "onnx/*.onnx",
    "openvino/*.xml",
    "*.gguf",
    "tf_model.h5",
    "flax_model.msgpack",
    "*.mlmodel",
)
_TRUST = "if you trust it, set `trust_remote_code`"


def own_classes(network: Path, config: dict[str, Any]) -> list[str]:
    """Return the classes that `auto_map` names for network and tokenizer; empty if transformers' own are used."""
    maps = (config.get("auto_map"), read_json(network / "tokenizer_config.json").get("auto_map"))
    found = []
    for auto_map, kind in zip(maps, ("AutoModel", "AutoTokenizer"), strict=True):
        named = auto_map.get(kind) if isinstance(auto_map, dict) else auto_map  # a tokenizer's was a list once
        found += [str(one) for one in ([named] if isinstance(named, str) else named or []) if one]
    return found


def check_supported(folder: Path, layout: Layout, config: dict[str, Any], *, trusted: bool, adapter: bool) -> None:
    """Refuse what is not a text encoder in plain weights, and code of the repository that is not trusted.

    Args:
        folder: the model's folder.
        layout: its parts.
        config: the network's `config.json`.
        trusted: whether the repository's code may run.
        adapter: whether an adapter is to be merged.

    Raises:
        InputError: the message names what was found, and where.
    """
    name, network = shown_name(folder), layout.network
    if layout.own_code and not trusted:
        classes = " and ".join(f"{module} ({file})" for module, file in layout.own_code)
        raise InputError(f"{name}: its modules.json names the repository's own code: {classes}; {_TRUST}")
    own = own_classes(network, config)
    if own and not trusted:
        raise InputError(
            f"{name}: its auto_map names the repository's own code, {' and '.join(own)}, which need not do what "
            f"transformers does for model_type {config['model_type']}; {_TRUST}"
        )
    if layout.own_code and adapter:
        raise InputError(f"{name}: an adapter cannot be merged into the repository's own code")
    quantised = config.get("quantization_config") or config.get("compression_config")
    files = [file for file in ("quantize_config.json", "quant_config.json") if (network / file).is_file()]
    if quantised or files:
        method = quantised.get("quant_method") if isinstance(quantised, dict) else None
        raise InputError(
            f"{name}: its weights are quantised ({method or (files or ['quantization_config'])[0]}), which is not "
            "supported: use the checkpoint that it was made from"
        )
    parts = sorted(key for key, value in config.items() if key.endswith("_config") and isinstance(value, dict))
    if not own and parts:
        raise InputError(
            f"{name}: {config['model_type']} is a network of several parts ({', '.join(parts)}), not a text encoder"
        )
    if config.get("is_encoder_decoder") and config["model_type"] not in ENCODERS and not own:
        raise InputError(
            f"{name}: {config['model_type']} has an encoder and a decoder; of these, only the encoders of "
            f"{', '.join(ENCODERS)} are supported"
        )
    if not any(any(network.glob(pattern)) for pattern in ("*.safetensors*", "*.bin*")):
        others = sorted(path.relative_to(network).as_posix() for each in _OTHER_FORMATS for path in network.glob(each))
        if others:
            raise InputError(f"{name} has weights only as {', '.join(others)}; expected safetensors")
