"""Instruction-query attention, the InF-Embed paper's alternative to concatenation (arXiv 2505.21439, Eq. 4)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def instruction_query_attention(
    instruction: torch.Tensor, instruction_mask: torch.Tensor, query: torch.Tensor, query_mask: torch.Tensor
) -> torch.Tensor:
    """Return the mean of a query's token states, weighted by the instruction's attention to them.

    W = softmax over query tokens of (H_I H_Qᵀ / √d), result = mean over instruction tokens of (W H_Q). No
    parameters, one head; special tokens are included, padding of either side is not.

    Args:
        instruction: token states H_I, [n, L_I, d].
        instruction_mask: bool [n, L_I], True for real tokens.
        query: token states H_Q, [n, L_Q, d].
        query_mask: bool [n, L_Q].

    Returns:
        [n, d], differentiable, not normalised.
    """
    import torch

    scores = instruction @ query.transpose(1, 2) / math.sqrt(query.shape[-1])
    # the dtype's minimum: the reference code adds -1e-8 in evaluation, which masks nothing
    scores = scores.masked_fill(~query_mask.unsqueeze(1), torch.finfo(scores.dtype).min)
    kept = instruction_mask.to(scores.dtype)
    weights = torch.einsum("ni,niq->nq", kept, scores.softmax(-1)) / kept.sum(1, keepdim=True)
    return torch.einsum("nq,nqd->nd", weights, query)
