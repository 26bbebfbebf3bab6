"""DistilBERT on the CPU without padding: BERT in other words, without token types.

The mathematics is that of `transformers` (models/distilbert; Sanh et al. 2019, arXiv 1910.01108), float32 within 1e-5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from instrerank.encoders.networks.packed import LayerNames, PackedBert

if TYPE_CHECKING:
    import torch

_SETTINGS = {
    "dim": "hidden_size",
    "hidden_dim": "intermediate_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "activation": "hidden_act",
}
"""What BERT's configuration calls the same settings."""


class PackedDistilBert(PackedBert):
    """A DistilBERT encoder."""

    prefixes = ("distilbert.",)
    model_types = ("distilbert",)
    names = LayerNames(
        layers="transformer.layer",
        projections=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        expand="ffn.lin1",
        contract="ffn.lin2",
        output_norm="output_layer_norm",
    )
    has_token_types = False

    def __init__(self, config: Mapping[str, Any], weights: Mapping[str, torch.Tensor], dtype: str = "float32"):
        """Prepare a network (see `PackedNetwork`)."""
        super().__init__(_in_words_of_bert(config), weights, dtype)

    @classmethod
    def computes(cls, config: Mapping[str, Any]) -> bool:
        """Tell whether this class computes what a `config.json` asks for."""
        return super().computes(_in_words_of_bert(config))


def _in_words_of_bert(config: Mapping[str, Any]) -> dict[str, Any]:
    return {**config, **{known: config[own] for own, known in _SETTINGS.items() if own in config}}
