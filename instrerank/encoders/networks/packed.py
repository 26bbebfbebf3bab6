"""BERT and RoBERTa architectures on the CPU without padding: the texts of a batch are packed one after the other.

The mathematics is that of `transformers` (models/bert, models/roberta, models/xlm_roberta), float32 within 1e-5.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.encoders.networks.attention import Block, attend, equal_length_blocks
from instrerank.encoders.networks.int8 import int8_linear
from instrerank.encoders.networks.linear import Activation, Linear, float_linear
from instrerank.encoders.networks.weights import Parameters
from instrerank.errors import InputError

if TYPE_CHECKING:
    import torch


_ROWS = 256
"""Tokens that 8-bit layers take at once: between their fast products, the passes over float32 numbers cost as much
as reading them from memory, so these must stay in the cache."""


class PackedNetwork(ABC):
    """A network that runs without padding on the CPU (a `Backend` of `instrerank.encoders.networks.backends`).

    Attributes:
        dtypes: precisions that this kind of network supports.
        prefixes: prefixes, including the dot, that checkpoints may add to the names of the bare network.
        hidden_size: dimension of token states.
        dtype: the one in use. "int8" multiplies weights and states in 8 bits, keeps states in float32 in between,
            and attends in bfloat16.
        device: "cpu".
        workers: batches that may run at the same time: as many as torch would take threads for one.
        batch_tokens: tokens a batch should have: few enough for the states to stay in the cache.
        least_batch_tokens: see `Backend`.
    """

    dtypes: tuple[str, ...]
    prefixes: tuple[str, ...]
    device = "cpu"
    batch_tokens = 1024
    least_batch_tokens = 256

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], dtype: str = "float32"):
        """Prepare a network.

        Args:
            config: the content of `config.json`, of a network that `computes` accepts.
            weights: the tensors of its checkpoint by name, of any float dtype.
            dtype: one of `dtypes`.

        Raises:
            InputError: weights are missing or have other shapes than in the configuration, or int8 is not supported
                here.
        """
        import torch

        self.dtype, self.hidden_size = dtype, int(config["hidden_size"])
        heads = int(config["num_attention_heads"])
        if heads < 1 or self.hidden_size % heads:
            raise InputError(f"config.json: {heads} attention heads do not divide a hidden size of {self.hidden_size}")
        self.workers = torch.get_num_threads()
        self._precision = torch.bfloat16 if dtype == "bfloat16" else torch.float32
        self._attention_precision = torch.float32 if dtype == "float32" else torch.bfloat16
        self._rows = _ROWS if dtype == "int8" else None
        self._prepare(config, Parameters(weights, self.prefixes))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dtype} on {self.device}, hidden size {self.hidden_size})"

    @classmethod
    @abstractmethod
    def computes(cls, config: Mapping[str, Any]) -> bool:
        """Tell whether this class computes what a `config.json` asks for."""

    def token_states(self, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Run one batch (see `instrerank.encoders.networks.backends.Backend.token_states`)."""
        import torch

        lengths = [len(ids) for ids in token_ids]
        words = torch.tensor([index for ids in token_ids for index in ids])
        places = torch.cat([torch.arange(length) for length in lengths])
        with torch.inference_mode():
            return self._run(words, places, equal_length_blocks(lengths))

    @abstractmethod
    def _prepare(self, config: Mapping[str, Any], parameters: Parameters) -> None: ...

    @abstractmethod
    def _run(self, words: torch.Tensor, places: torch.Tensor, blocks: Sequence[Block]) -> torch.Tensor:
        """Return the states of tokens, given the index and the place in its text (from 0) of each."""


class Norm(NamedTuple):
    """A layer norm."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    epsilon: float

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """Normalise each row of [tokens, hidden]."""
        import torch.nn.functional as F

        return F.layer_norm(states, self.weight.shape, self.weight, self.bias, self.epsilon)


def by_rows(run: Linear, states: torch.Tensor, rows: int | None) -> torch.Tensor:
    """Apply layers to at most `rows` tokens at a time."""
    import torch

    if rows is None or len(states) <= rows:
        return run(states)
    return torch.cat([run(part) for part in torch.split(states, rows)])


class _Layer(NamedTuple):
    """One transformer layer, normalised after each of its two halves."""

    heads: int
    rows: int | None
    attention_precision: torch.dtype
    project: Linear
    attention_output: Linear
    attention_norm: Norm
    expand: Linear
    contract: Linear
    output_norm: Norm

    def __call__(self, states: torch.Tensor, blocks: Sequence[Block]) -> torch.Tensor:
        mixed = attend(by_rows(self._projected, states, self.rows), blocks, self.heads)
        states = self.attention_norm(self.attention_output(mixed).add_(states))
        return self.output_norm(by_rows(self._fed_forward, states, self.rows).add_(states))

    def _projected(self, states: torch.Tensor) -> torch.Tensor:
        return self.project(states).to(self.attention_precision)

    def _fed_forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.contract(self.expand(states))


class LayerNames(NamedTuple):
    """What an architecture calls the parts of its layers.

    Attributes:
        layers: the list of layers.
        projections: of queries, keys and values.
        attention_output: behind attention.
        attention_norm: behind that.
        expand: first half of the feed-forward network.
        contract: second half.
        output_norm: behind that.
    """

    layers: str
    projections: tuple[str, str, str]
    attention_output: str
    attention_norm: str
    expand: str
    contract: str
    output_norm: str


class PackedBert(PackedNetwork):
    """A BERT, RoBERTa or XLM-RoBERTa encoder.

    Attributes:
        model_types: what `config.json` calls the networks of this kind.
        names: what they call the parts of their layers.
        has_token_types: whether they add an embedding of the kind of text.
    """

    dtypes = ("float32", "bfloat16", "int8")
    prefixes: tuple[str, ...] = ("bert.", "roberta.")
    model_types: tuple[str, ...] = ("bert", "roberta", "xlm-roberta")
    names = LayerNames(
        layers="encoder.layer",
        projections=("attention.self.query", "attention.self.key", "attention.self.value"),
        attention_output="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        expand="intermediate.dense",
        contract="output.dense",
        output_norm="output.LayerNorm",
    )
    has_token_types = True

    @classmethod
    def computes(cls, config: Mapping[str, Any]) -> bool:
        """Tell whether this class computes what a `config.json` asks for."""
        return (
            config.get("model_type") in cls.model_types
            and config.get("hidden_act", "gelu") == "gelu"
            and config.get("position_embedding_type", "absolute") == "absolute"
            and not config.get("is_decoder", False)
        )

    def _prepare(self, config: Mapping[str, Any], parameters: Parameters) -> None:
        import torch

        precision, hidden, wide = self._precision, self.hidden_size, int(config["intermediate_size"])
        epsilon = float(config.get("layer_norm_eps", 1e-12))

        def norm(name: str) -> Norm:
            weight, bias = (parameters.get(f"{name}.{part}", hidden).to(precision) for part in ("weight", "bias"))
            return Norm(weight, bias, epsilon)

        def linear(names: Sequence[str], inputs: int, outputs: int, activation: Activation = "none") -> Linear:
            weight = torch.cat([parameters.get(f"{name}.weight", outputs, inputs) for name in names])
            bias = torch.cat([parameters.get(f"{name}.bias", outputs) for name in names])
            if self.dtype == "int8":
                return int8_linear(weight, bias, activation, after_gelu=inputs == wide)
            return float_linear(weight, bias, precision, activation)

        self._words = parameters.get("embeddings.word_embeddings.weight", int(config["vocab_size"]), hidden)
        positions, kinds = int(config["max_position_embeddings"]), int(config.get("type_vocab_size", 2))
        self._places = parameters.get("embeddings.position_embeddings.weight", positions, hidden)
        if self.has_token_types:  # every text is of the first
            types = parameters.get("embeddings.token_type_embeddings.weight", kinds, hidden)
            self._places = self._places + types[0]
        self._padding = self._counted_padding(config)
        self._embedding_norm = norm("embeddings.LayerNorm")
        self._layers = []
        names = self.names
        for number in range(int(config["num_hidden_layers"])):
            layer = f"{names.layers}.{number}"
            self._layers.append(
                _Layer(
                    heads=int(config["num_attention_heads"]),
                    rows=self._rows,
                    attention_precision=self._attention_precision,
                    project=linear([f"{layer}.{name}" for name in names.projections], hidden, hidden),
                    attention_output=linear([f"{layer}.{names.attention_output}"], hidden, hidden),
                    attention_norm=norm(f"{layer}.{names.attention_norm}"),
                    expand=linear([f"{layer}.{names.expand}"], hidden, wide, "gelu"),
                    contract=linear([f"{layer}.{names.contract}"], wide, hidden),
                    output_norm=norm(f"{layer}.{names.output_norm}"),
                )
            )

    def _counted_padding(self, config: Mapping[str, Any]) -> int | None:
        """Return the index of the padding token if positions are counted from behind it, None if from 0."""
        return int(config.get("pad_token_id", 1)) if "roberta" in config["model_type"] else None

    def _run(self, words: torch.Tensor, places: torch.Tensor, blocks: Sequence[Block]) -> torch.Tensor:
        if self._padding is not None:
            places = _behind_padding(words, places, self._padding)
        states = self._embedding_norm((self._words[words] + self._places[places]).to(self._precision))
        for layer in self._layers:
            states = layer(states, blocks)
        return states


def _behind_padding(words: torch.Tensor, places: torch.Tensor, padding: int) -> torch.Tensor:
    """Return positions that begin at `padding + 1` and leave out padding tokens in a text, which stay at `padding`.

    Such tokens come from texts that spell them ("<pad>"); transformers (`create_position_ids_from_input_ids`) does
    the same.
    """
    import torch

    counts = words != padding
    before = torch.cat([counts.new_zeros(1), counts]).cumsum(0)
    starts = torch.arange(len(words)) - places
    return padding + (before[1:] - before[starts]) * counts
