"""ModernBERT on the CPU without padding: rotary positions, attention in windows, gated layers, norms first.

The mathematics is that of `transformers` (models/modernbert; Warner et al. 2024, arXiv 2412.13663).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.encoders.networks.attention import Block, attend
from instrerank.encoders.networks.int8 import int8_linear
from instrerank.encoders.networks.linear import Linear, float_linear
from instrerank.encoders.networks.packed import Norm, PackedNetwork, by_rows
from instrerank.encoders.networks.weights import Parameters

if TYPE_CHECKING:
    import torch

_THETAS = {"full_attention": ("global_rope_theta", 160_000.0), "sliding_attention": ("local_rope_theta", 10_000.0)}


class _Layer(NamedTuple):
    heads: int
    kind: str
    window: int | None
    rows: int | None
    attention_precision: torch.dtype
    attention_norm: Norm | None
    project: Linear
    attention_output: Linear
    gate_norm: Norm
    expand: Linear
    contract: Linear

    def __call__(
        self, states: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor], blocks: Sequence[Block]
    ) -> torch.Tensor:
        projected = by_rows(self._projected, states, self.rows)
        _rotate(projected, angles, self.heads)
        states = self.attention_output(attend(projected, blocks, self.heads, self.window)).add_(states)
        return by_rows(self._fed_forward, states, self.rows).add_(states)

    def _projected(self, states: torch.Tensor) -> torch.Tensor:
        states = self.attention_norm(states) if self.attention_norm else states
        return self.project(states).to(self.attention_precision)

    def _fed_forward(self, states: torch.Tensor) -> torch.Tensor:
        import torch.nn.functional as F

        opened, gate = self.expand(self.gate_norm(states)).chunk(2, dim=1)
        return self.contract(F.gelu(opened).mul_(gate))


class PackedModernBert(PackedNetwork):
    """A ModernBERT encoder."""

    dtypes = ("float32", "bfloat16", "int8")
    prefixes = ("model.",)

    @classmethod
    def computes(cls, config: Mapping[str, Any]) -> bool:
        """Tell whether this class computes what a `config.json` asks for."""
        rotary = (config.get("rope_parameters") or {}).values()
        return (
            config.get("model_type") == "modernbert"
            and config.get("hidden_activation", "gelu") == "gelu"
            and not config.get("rope_scaling")
            and all((one or {}).get("rope_type", "default") == "default" for one in rotary)
        )

    def _prepare(self, config: Mapping[str, Any], parameters: Parameters) -> None:
        hidden, wide = self.hidden_size, int(config["intermediate_size"])
        heads, layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])

        def norm(name: str) -> Norm:
            weight, bias = parameters.get(f"{name}.weight", hidden), parameters.optional(f"{name}.bias", hidden)
            offset = None if bias is None else bias.to(self._precision)
            return Norm(weight.to(self._precision), offset, float(config.get("norm_eps", 1e-5)))

        def linear(name: str, inputs: int, outputs: int) -> Linear:
            weight = parameters.get(f"{name}.weight", outputs, inputs)
            bias = parameters.optional(f"{name}.bias", outputs)
            if self.dtype == "int8":
                return int8_linear(weight, weight.new_zeros(outputs) if bias is None else bias)
            return float_linear(weight, bias, self._precision)

        every = int(config.get("global_attn_every_n_layers", 3))
        kinds = config.get("layer_types") or [
            "sliding_attention" if number % every else "full_attention" for number in range(layers)
        ]
        self._frequencies = {kind: _frequencies(config, kind, hidden // heads) for kind in set(kinds)}
        self._words = parameters.get("embeddings.tok_embeddings.weight", int(config["vocab_size"]), hidden)
        self._embedding_norm, self._final_norm = norm("embeddings.norm"), norm("final_norm")
        self._layers = [
            _Layer(
                heads=heads,
                kind=kind,
                window=int(config.get("local_attention", 128)) // 2 if kind == "sliding_attention" else None,
                rows=self._rows,
                attention_precision=self._attention_precision,
                attention_norm=norm(f"layers.{number}.attn_norm") if number else None,
                project=linear(f"layers.{number}.attn.Wqkv", hidden, 3 * hidden),
                attention_output=linear(f"layers.{number}.attn.Wo", hidden, hidden),
                gate_norm=norm(f"layers.{number}.mlp_norm"),
                expand=linear(f"layers.{number}.mlp.Wi", hidden, 2 * wide),
                contract=linear(f"layers.{number}.mlp.Wo", wide, hidden),
            )
            for number, kind in enumerate(kinds)
        ]

    def _run(self, words: torch.Tensor, places: torch.Tensor, blocks: Sequence[Block]) -> torch.Tensor:
        angles = {}
        for kind, frequencies in self._frequencies.items():
            angle = places.unsqueeze(1) * frequencies
            angles[kind] = (angle.cos().to(self._attention_precision), angle.sin().to(self._attention_precision))
        states = self._embedding_norm(self._words[words].to(self._precision))
        for layer in self._layers:
            states = layer(states, angles[layer.kind], blocks)
        return self._final_norm(states)


def _frequencies(config: Mapping[str, Any], kind: str, size: int) -> torch.Tensor:
    """Angle per place of each pair of dimensions, float32 [size / 2]."""
    import torch

    name, usual = _THETAS[kind]
    rotary = (config.get("rope_parameters") or {}).get(kind) or {}
    theta = rotary.get("rope_theta", config.get(name, usual))
    frequencies: torch.Tensor = 1.0 / theta ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
    return frequencies


def _rotate(projected: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor], heads: int) -> None:
    """Turn queries and keys, in place, by the angles of their tokens (Su et al. 2021, arXiv 2104.09864).

    Args:
        projected: [tokens, 3 · hidden], queries, keys and values side by side.
        angles: cosines and sines, [tokens, size / 2] each; dimension k of a head is paired with k + size / 2.
        heads: number of attention heads.
    """
    tokens, width = projected.shape
    turned = projected.view(tokens, 3, heads, 2, width // 6 // heads)[:, :2]
    cosine, sine = (one[:, None, None, :] for one in angles)
    first, second = turned[..., 0, :].clone(), turned[..., 1, :]
    turned[..., 0, :].mul_(cosine).addcmul_(second, sine, value=-1)
    second.mul_(cosine).addcmul_(first, sine)
