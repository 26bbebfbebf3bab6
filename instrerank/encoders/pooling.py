"""Pooling of token states into vectors: one function over flat states, for every backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from instrerank.encoders.families.profiles import PoolingMode

if TYPE_CHECKING:
    import torch


def pool(
    states: torch.Tensor, lengths: torch.Tensor, skip: torch.Tensor, modes: Sequence[PoolingMode]
) -> torch.Tensor:
    """Pool the token states of each text into one vector, in float32.

    Args:
        states: [tokens, hidden], the texts one after the other, without padding.
        lengths: int64 [n], number of tokens of each text; they sum to `tokens`.
        skip: int64 [n], number of tokens at the start of each text that are not pooled (fewer than its length).
        modes: pooling modes; their vectors are concatenated.

    Returns:
        float32 [n, hidden · modes]. Formulas as in sentence-transformers' `Pooling`: `weightedmean` weights the
        t-th token of the text by t (Muennighoff 2022, arXiv 2202.08904), `mean_sqrt_len` divides the sum by the
        square root of the number of tokens.
    """
    import torch

    states = states.float()
    ends = lengths.cumsum(0)
    starts = ends - lengths
    position = torch.arange(len(states), device=states.device) - torch.repeat_interleave(starts, lengths)
    kept = position >= torch.repeat_interleave(skip, lengths)

    def total(weight: torch.Tensor) -> torch.Tensor:
        return torch.segment_reduce(states * weight.unsqueeze(1), "sum", lengths=lengths)

    def one(mode: PoolingMode) -> torch.Tensor:
        if mode == "cls":
            return states[starts + skip]
        if mode == "last":
            return states[ends - 1]
        if mode == "max":
            hidden = states.masked_fill(~kept.unsqueeze(1), -torch.inf)
            return torch.segment_reduce(hidden, "max", lengths=lengths)
        if mode == "weightedmean":
            weight = ((position + 1) * kept).float()
            return total(weight) / torch.segment_reduce(weight, "sum", lengths=lengths).unsqueeze(1)
        count = (lengths - skip).unsqueeze(1).float()
        return total(kept.float()) / (count if mode == "mean" else count.sqrt())

    return torch.cat([one(mode) for mode in modes], dim=1)
