"""A network's weights by name, without transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from instrerank.encoders.locate import shards
from instrerank.encoders.networks.tensors import read_weights
from instrerank.errors import InputError

if TYPE_CHECKING:
    import torch


def network_weights(folder: Path, *, allow_bin: bool) -> dict[str, torch.Tensor]:
    """Return the tensors of `model.safetensors`, or of the shards its index names, as they are stored.

    Args:
        folder: folder of the network.
        allow_bin: read `pytorch_model.bin` (tensors only: restricted unpickling) if there are no safetensors files.

    Raises:
        InputError: a file is missing or damaged.
    """
    index = folder / "model.safetensors.index.json"
    # an index beside a whole file is left over: transformers reads the file
    names = (
        shards(index) if index.is_file() and not (folder / "model.safetensors").is_file() else ["model.safetensors"]
    )
    weights: dict[str, torch.Tensor] = {}
    for name in names:
        weights |= read_weights(folder / name, folder / "pytorch_model.bin", allow_bin=allow_bin)
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
            prefixes: prefixes, including the dot, that checkpoints may add to the names of the encoder.
        """
        old_names = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
        self._weights: dict[str, torch.Tensor] = {}
        for name, tensor in weights.items():
            bare = next((name.removeprefix(prefix) for prefix in prefixes if name.startswith(prefix)), name)
            for old, new in old_names.items():
                bare = bare.replace(old, new)
            self._weights[bare] = tensor

    def __repr__(self) -> str:
        return f"Parameters({len(self._weights)} tensors)"

    def get(self, name: str, *shape: int) -> torch.Tensor:
        """Return a parameter in float32.

        Raises:
            InputError: the parameter is missing or has another shape than in the configuration.
        """
        tensor = self._weights.get(name)
        if tensor is None:
            raise InputError(f"the weights lack {name!r}: they do not belong to the network in config.json")
        if tuple(tensor.shape) != shape:
            raise InputError(f"{name!r} has shape {tuple(tensor.shape)}; expected {shape} as in config.json")
        return tensor.float()

    def optional(self, name: str, *shape: int) -> torch.Tensor | None:
        """Return a parameter in float32, or None if the network has no parameter of this name."""
        return self.get(name, *shape) if name in self._weights else None
