"""MPNet on the CPU without padding: BERT whose attention also looks at how far apart two tokens are.

The mathematics is that of `transformers` (models/mpnet; Song et al. 2020, arXiv 2004.09297), float32 within 1e-5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from instrerank.encoders.networks.attention import Block
from instrerank.encoders.networks.packed import PackedBert
from instrerank.encoders.networks.weights import Parameters

if TYPE_CHECKING:
    import torch

_BUCKETS = 32
"""Number of classes of distances; transformers reads no other number from the configuration."""
_PADDING = 1
"""Index of the padding token: a constant in transformers."""


class PackedMPNet(PackedBert):
    """An MPNet encoder."""

    prefixes = ("mpnet.",)
    model_types = ("mpnet",)
    names = PackedBert.names._replace(
        projections=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        attention_output="attention.attn.o",
        attention_norm="attention.LayerNorm",
    )
    has_token_types = False

    @classmethod
    def computes(cls, config: Mapping[str, Any]) -> bool:
        """Tell whether this class computes what a `config.json` asks for."""
        return super().computes(config) and config.get("relative_attention_num_buckets", _BUCKETS) == _BUCKETS

    def _prepare(self, config: Mapping[str, Any], parameters: Parameters) -> None:
        super()._prepare(config, parameters)
        heads = int(config["num_attention_heads"])
        biases = parameters.get("encoder.relative_attention_bias.weight", _BUCKETS, heads)
        self._biases = biases.t().contiguous().to(self._attention_precision)

    def _counted_padding(self, config: Mapping[str, Any]) -> int | None:
        return _PADDING

    def _run(self, words: torch.Tensor, places: torch.Tensor, blocks: Sequence[Block]) -> torch.Tensor:
        blocks = [block._replace(bias=self._biases[:, _buckets(block.length)]) for block in blocks]
        return super()._run(words, places, blocks)


def _buckets(length: int) -> torch.Tensor:
    """Class of the distance of each pair of tokens, int64 [length, length].

    Half of the classes are for keys behind the query. Of either half, one part is for distances of less than 8, the
    other for those up to 128, by their logarithm, and beyond (Raffel et al. 2020, arXiv 1910.10683).
    """
    import torch

    one_side, exact, farthest = _BUCKETS // 2, _BUCKETS // 4, 128
    distances = torch.arange(length)
    far = exact + (torch.log(distances / exact) / math.log(farthest / exact) * (one_side - exact)).long()
    classes = torch.where(distances < exact, distances, far.clamp(max=one_side - 1))
    offsets = distances - distances.unsqueeze(1)  # key - query
    return classes[offsets.abs()] + one_side * (offsets > 0)
