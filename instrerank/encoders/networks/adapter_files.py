"""Reading a LoRA adapter: its settings, its weights, and the place of the network in the class it was trained on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.encoders.locate import read_json
from instrerank.encoders.networks.tensors import read_weights
from instrerank.errors import InputError

if TYPE_CHECKING:
    import torch

ROOT = "base_model.model."
"""Prefix that peft adds to the names of a network's modules."""
_HEADS = frozenset(
    (
        *("classifier", "cls", "decoder", "embed_out", "generator", "generator_lm_head", "head", "lm_head"),
        *("lm_predictions", "pre_classifier", "predictions", "qa_outputs", "score", "sequence_summary", "v_head"),
        *("vocab_layer_norm", "vocab_projector", "vocab_transform"),
    )
)
"""Modules of transformers' task classes above or beside the network that computes token states."""
_WITHIN = re.compile(r"\.(lora_\w+|base_layer|token_adapter|modules_to_save|original_module)\b.*")
"""What peft appends to the name of a module."""
_LONGEST_MATCH = 10
_IRRELEVANT = (
    *("auto_mapping", "base_model_name_or_path", "inference_mode", "lora_dropout", "megatron_core", "peft_version"),
    *("qalora_group_size", "revision", "runtime_config", "task_type"),
)
"""Settings of peft that do not affect the merged weights."""
_PLAIN = (
    *("peft_type", "r", "lora_alpha", "use_rslora", "target_modules", "exclude_modules", "bias", "init_lora_weights"),
    *_IRRELEVANT,
)


class Adapter(NamedTuple):
    """A LoRA adapter as peft saves it.

    Attributes:
        folder: its folder.
        settings: the content of `adapter_config.json`.
        weights: tensors by name, without those of task heads, which do not affect token states.
        place: prefix, including the dot, of the network in these names and in the settings' patterns: "model." for an
            adapter trained on a causal language model, "" for one trained on the bare network.
    """

    folder: Path
    settings: Mapping[str, Any]
    weights: dict[str, torch.Tensor]
    place: str

    @property
    def is_plain(self) -> bool:
        """Whether peft would merge W + scale · B A with one rank and scale, and nothing else."""
        config = self.settings
        return (
            config.get("peft_type") == "LORA"
            and all(type(config.get(name)) in (int, float) and config[name] > 0 for name in ("r", "lora_alpha"))
            and isinstance(config.get("target_modules"), (str, list))
            and config.get("bias", "none") == "none"
            # others, such as PiSSA, change the base too
            and config.get("init_lora_weights", True) in (True, False)
            # every variant of LoRA, including future ones, is a setting that is not empty
            and not any(config[name] for name in config.keys() - set(_PLAIN))
        )

    @property
    def has_pooler(self) -> bool:
        """Whether it was trained on a network with a pooler, which transformers' language-model classes lack."""
        return any("pooler" in name for name in self.weights)


def read_adapter(folder: Path, network: Iterable[str], *, allow_bin: bool = False) -> Adapter:
    """Read an adapter for a network.

    Args:
        folder: folder with `adapter_config.json` and `adapter_model.safetensors`, as peft saves them.
        network: names of the network's parameters.
        allow_bin: read `adapter_model.bin` (restricted unpickling) if there is no safetensors file.

    Raises:
        InputError: the files cannot be read, or the weights have no effect on the network.
    """
    settings = read_json(folder / "adapter_config.json")
    if not settings:
        raise InputError(f"{folder} is not a peft adapter: it has no adapter_config.json, or an empty one")
    weights = read_weights(folder / "adapter_model.safetensors", folder / "adapter_model.bin", allow_bin=allow_bin)
    names = {name for parameter in network for name in (parameter, parameter.rpartition(".")[0])}
    place = _place(weights, names)
    own = {key: value for key, value in weights.items() if not _in_head(key, place, names)}
    if not own:
        parts = sorted({key.removeprefix(ROOT).partition(".")[0] for key in weights})
        raise InputError(
            f"the adapter in {folder} has no effect on vectors: its weights belong to {', '.join(parts) or 'nothing'}"
        )
    if not any(bool(value.any()) for key, value in own.items() if not re.search(r"\.lora_(?!(embedding_)?B\b)", key)):
        raise InputError(f"the adapter in {folder} has no effect: all its lora_B weights are zero or missing")
    return Adapter(folder, settings, own, place)


def _place(keys: Iterable[str], names: Collection[str]) -> str:
    """Return the prefix that turns names of the network into most names of the adapter."""
    votes: Counter[str] = Counter()
    for key in keys:
        parts = _WITHIN.sub("", key.removeprefix(ROOT)).split(".") if key.startswith(ROOT) else []
        at = next((at for at in range(len(parts)) if ".".join(parts[at:]) in names), None)
        if at is not None:
            votes["".join(f"{part}." for part in parts[:at])] += 1
    return votes.most_common(1)[0][0] if votes else ""


def _in_head(key: str, place: str, names: Collection[str]) -> bool:
    """Return whether a weight belongs to a head of the class the adapter was trained on, and not to the network."""
    path = key.removeprefix(ROOT)
    top = path.partition(".")[0]
    inside = path.startswith(place) if place else any(name.partition(".")[0] == top for name in names)
    return key.startswith(ROOT) and top in _HEADS and not inside


def named(patterns: str | Sequence[str], paths: Sequence[str]) -> set[str]:
    """Return the modules that peft takes to be named: by a regular expression, or by the end of their paths."""
    if isinstance(patterns, str):
        return matching(patterns, paths)
    return {path for path in paths if any(f".{path}".endswith(f".{pattern}") for pattern in patterns)}


_MATCH = """
import json, re, sys
pattern, paths = json.load(sys.stdin)
try:
    json.dump([path for path in paths if re.fullmatch(pattern, path)], sys.stdout)
except re.error:
    json.dump([], sys.stdout)
"""


def matching(pattern: str, paths: Sequence[str]) -> set[str]:
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
