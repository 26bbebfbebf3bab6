"""Reading a network's weights from safetensors files, without transformers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from instrerank.errors import InputError

if TYPE_CHECKING:
    import torch


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of `model.safetensors`, or of the shards its index names, as they are stored.

    Raises:
        InputError: a file is missing, cut short or not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    index = folder / "model.safetensors.index.json"
    weights: dict[str, torch.Tensor] = {}
    path = index
    try:
        names = {"model.safetensors"}
        if index.exists():
            names = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        for path in sorted(folder / name for name in names):
            weights.update(load_file(path))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise InputError(
            f"cannot read the weights in {path}: {error}. The file is missing, damaged or not in safetensors form: "
            "fetch the model again"
        ) from error
    return weights


class Parameters:
    """The float32 tensors of a network, asked for by the names of its bare encoder.

    Checkpoints saved with a task head put the encoder's name first ("bert.embeddings…"), and those converted from
    TensorFlow call a layer norm's weight and bias "gamma" and "beta"; both are found.
    """

    def __init__(self, weights: Mapping[str, torch.Tensor], prefixes: tuple[str, ...]):
        """Take the tensors of a checkpoint.

        Args:
            weights: tensors of any float dtype by name.
            prefixes: names, with their dot, that may stand before those of the encoder.
        """
        old_names = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
        self._weights: dict[str, torch.Tensor] = {}
        for name, tensor in weights.items():
            bare = next((name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix)), name)
            for old, new in old_names.items():
                bare = bare.replace(old, new)
            self._weights[bare] = tensor

    def get(self, name: str, *shape: int) -> torch.Tensor:
        """Return a parameter in float32.

        Raises:
            InputError: it is missing or has another shape than the configuration says.
        """
        tensor = self._weights.get(name)
        if tensor is None:
            raise InputError(f"the weights lack {name!r}: they are not those of the network in config.json")
        if tuple(tensor.shape) != shape:
            raise InputError(f"{name!r} has shape {tuple(tensor.shape)}; config.json says {shape}")
        return tensor.float()

    def optional(self, name: str, *shape: int) -> torch.Tensor | None:
        """Return a parameter in float32, or None where the network has none of this name."""
        return self.get(name, *shape) if name in self._weights else None
