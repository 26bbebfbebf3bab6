"""BERT and RoBERTa shapes on the CPU without padding: the texts of a batch lie one after the other.

The mathematics is that of `transformers` (models/bert, models/roberta, models/xlm_roberta), float32 within 1e-5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.encoders.attention import Block, attend, equal_length_blocks
from instrerank.encoders.linear import Linear, float_linear
from instrerank.encoders.weights import Parameters

if TYPE_CHECKING:
    import torch

PACKED_DTYPES = ("float32", "bfloat16")
_FAMILIES = ("bert", "roberta", "xlm-roberta")


class _Norm(NamedTuple):
    weight: torch.Tensor
    bias: torch.Tensor
    epsilon: float

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        return F.layer_norm(states, self.weight.shape, self.weight, self.bias, self.epsilon)


class _Layer(NamedTuple):
    """One transformer layer, normalised after each of its two halves."""

    heads: int
    project: Linear
    attention_output: Linear
    attention_norm: _Norm
    expand: Linear
    contract: Linear
    output_norm: _Norm

    def __call__(self, states: torch.Tensor, blocks: Sequence[Block]) -> torch.Tensor:
        mixed = attend(self.project(states), blocks, self.heads)
        states = self.attention_norm(self.attention_output(mixed).add_(states))
        return self.output_norm(self.contract(self.expand(states)).add_(states))


class PackedBert:
    """A BERT, RoBERTa or XLM-RoBERTa encoder that runs without padding on the CPU.

    Attributes:
        hidden_size: width of a token state.
        dtype: "float32" or "bfloat16", of weights and states.
        device: "cpu".
        workers: batches that may run at the same time: as many as torch would take threads for one.
        batch_tokens: tokens a batch should have: few enough for the states to stay in the cache.
    """

    device = "cpu"
    batch_tokens = 1024

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], dtype: str = "float32"):
        """Prepare a network.

        Args:
            config: the content of `config.json`, of a network that `packs` accepts.
            weights: the tensors of its checkpoint by name, of any float dtype.
            dtype: "float32" or "bfloat16".

        Raises:
            InputError: weights are missing or do not have the shapes that the configuration says.
        """
        import torch

        self.dtype = dtype
        self.workers = torch.get_num_threads()
        self.hidden_size = hidden = int(config["hidden_size"])
        self._precision = precision = getattr(torch, dtype)
        parameters = Parameters(weights, ("bert.", "roberta."))
        epsilon = float(config.get("layer_norm_eps", 1e-12))
        wide = int(config["intermediate_size"])

        def norm(name: str) -> _Norm:
            weight, bias = (parameters.get(f"{name}.{part}", hidden).to(precision) for part in ("weight", "bias"))
            return _Norm(weight, bias, epsilon)

        def linear(names: Sequence[str], inputs: int, outputs: int, activation: Any = "none") -> Linear:
            weight = torch.cat([parameters.get(f"{name}.weight", outputs, inputs) for name in names])
            bias = torch.cat([parameters.get(f"{name}.bias", outputs) for name in names])
            return float_linear(weight, bias, precision, activation)

        rows, kinds = int(config["max_position_embeddings"]), int(config.get("type_vocab_size", 2))
        self._words = parameters.get("embeddings.word_embeddings.weight", int(config["vocab_size"]), hidden)
        # every text is of the first kind, so its embedding joins the position's
        self._places = parameters.get("embeddings.position_embeddings.weight", rows, hidden)
        self._places = self._places + parameters.get("embeddings.token_type_embeddings.weight", kinds, hidden)[0]
        # RoBERTa counts positions from after the padding index
        self._first_place = 0 if config["model_type"] == "bert" else int(config.get("pad_token_id", 1)) + 1
        self._embedding_norm = norm("embeddings.LayerNorm")
        self._layers = []
        for number in range(int(config["num_hidden_layers"])):
            name = f"encoder.layer.{number}"
            projections = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
            self._layers.append(
                _Layer(
                    heads=int(config["num_attention_heads"]),
                    project=linear(projections, hidden, hidden),
                    attention_output=linear([f"{name}.attention.output.dense"], hidden, hidden),
                    attention_norm=norm(f"{name}.attention.output.LayerNorm"),
                    expand=linear([f"{name}.intermediate.dense"], hidden, wide, "gelu"),
                    contract=linear([f"{name}.output.dense"], wide, hidden),
                    output_norm=norm(f"{name}.output.LayerNorm"),
                )
            )

    def token_states(self, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Run one batch (see `instrerank.encoders.backends.Backend.token_states`)."""
        import torch

        lengths = [len(ids) for ids in token_ids]
        words = torch.tensor([index for ids in token_ids for index in ids])
        places = torch.cat([torch.arange(self._first_place, self._first_place + length) for length in lengths])
        with torch.inference_mode():
            states = self._embedding_norm(self._words[words].add_(self._places[places]).to(self._precision))
            blocks = equal_length_blocks(lengths)
            for layer in self._layers:
                states = layer(states, blocks)
        return states


def packs(config: Mapping[str, Any]) -> bool:
    """Tell whether `PackedBert` computes what this `config.json` asks for."""
    return (
        config.get("model_type") in _FAMILIES
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
    )
