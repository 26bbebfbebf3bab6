"""The layers between pooling and normalisation: modules of a sentence-transformers folder, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from instrerank.encoders.families.layouts import Layout
from instrerank.encoders.locate import read_json
from instrerank.encoders.networks.tensors import read_weights
from instrerank.errors import InputError

if TYPE_CHECKING:
    import torch


class Layer(Protocol):
    """A layer on pooled vectors."""

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """Apply the layer to float32 [n, in], giving float32 [n, out]."""
        ...

    def width(self, width: int) -> int:
        """Return the width of what comes out, given that of what goes in."""
        ...


class Dense(NamedTuple):
    """A linear layer with its activation; `shortcut`, the weight of its residual connection, is None for x itself."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    activation: str
    residual: bool = False
    shortcut: torch.Tensor | None = None

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """Apply the layer (see `Layer`)."""
        import torch

        weight = self.weight.to(vectors.device)
        bias, shortcut = (None if one is None else one.to(vectors.device) for one in (self.bias, self.shortcut))
        result: torch.Tensor = getattr(torch.nn, self.activation)()(torch.nn.functional.linear(vectors, weight, bias))
        if self.residual:
            result = result + (vectors if shortcut is None else torch.nn.functional.linear(vectors, shortcut))
        return result

    def width(self, width: int) -> int:
        """Return the number of rows of the weight."""
        return int(self.weight.shape[0])


class LayerNorm(NamedTuple):
    """A layer norm."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """Apply the layer (see `Layer`)."""
        import torch.nn.functional as F

        weight, bias = self.weight.to(vectors.device), self.bias.to(vectors.device)
        return F.layer_norm(vectors, weight.shape, weight, bias)

    def width(self, width: int) -> int:
        """Return the width itself."""
        return width


class Normalize(NamedTuple):
    """L2 normalisation that other layers follow."""

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """Apply the layer (see `Layer`)."""
        import torch.nn.functional as F

        return F.normalize(vectors)

    def width(self, width: int) -> int:
        """Return the width itself."""
        return width


class Truncation(NamedTuple):
    """The first numbers of a vector (`truncate_dim`; Matryoshka, arXiv 2205.13147)."""

    kept: int

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """Apply the layer (see `Layer`)."""
        return vectors[:, : self.kept]

    def width(self, width: int) -> int:
        """Return the smaller width."""
        return min(width, self.kept)


def load_layers(layout: Layout, *, allow_bin: bool = False) -> list[Layer]:
    """Load the modules behind the pooling, but for a last Normalize, which is `EncoderProfile.normalize`.

    Raises:
        InputError: weights that cannot be read, or an unsupported variant of a module.
    """
    modules = [(kind, folder) for kind, folder in layout.modules[1:] if kind != "Dropout"]  # does nothing here
    if modules and modules[-1][0] == "Normalize" and layout.dimension is None:
        modules.pop()
    layers = [_load(kind, folder, allow_bin) for kind, folder in modules]
    return layers if layout.dimension is None else [*layers, Truncation(layout.dimension)]


def _load(kind: str, folder: Path, allow_bin: bool) -> Layer:
    config = read_json(folder / "config.json")
    for name in ("module_input_name", "module_output_name"):
        if config.get(name) not in (None, "sentence_embedding"):
            raise InputError(
                f"{folder}: {name} {config[name]!r} is not supported: only layers on sentence_embedding are"
            )
    if kind == "Normalize":
        return Normalize()
    weights = read_weights(folder / "model.safetensors", folder / "pytorch_model.bin", allow_bin=allow_bin)
    weights = {name: weight.float() for name, weight in weights.items()}
    if kind == "LayerNorm":
        expected, optional = ["norm.weight", "norm.bias"], []
    else:
        expected, optional = ["linear.weight"], ["linear.bias", "residual.weight"]
    if not set(expected) <= set(weights) <= {*expected, *optional}:
        raise InputError(f"{folder} is not a {kind} layer: its weights are {', '.join(sorted(weights))}")
    if kind == "LayerNorm":
        return LayerNorm(weights["norm.weight"], weights["norm.bias"])
    return Dense(
        weights["linear.weight"],
        weights.get("linear.bias"),
        _activation(config.get("activation_function", "torch.nn.modules.activation.Tanh"), folder),
        bool(config.get("use_residual")),
        weights.get("residual.weight"),
    )


def _activation(path: object, folder: Path) -> str:
    """Return the name in torch.nn of an activation without parameters, as sentence-transformers makes it."""
    import torch

    name = str(path).rpartition(".")[2]
    if str(path) in (f"torch.nn.modules.activation.{name}", "torch.nn.modules.linear.Identity"):
        try:
            if not list(getattr(torch.nn, name)().parameters()):
                return name
        except (AttributeError, TypeError):  # not there, or one that needs arguments
            pass
    raise InputError(
        f"{folder}: a Dense layer with the activation {path} is not supported: only torch.nn's, without parameters"
    )


def width_behind(layers: Sequence[Layer], width: int) -> int:
    """Return the width of vectors behind all layers."""
    for layer in layers:
        width = layer.width(width)
    return width
