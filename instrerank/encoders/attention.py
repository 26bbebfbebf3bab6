"""Attention over texts that lie one after the other without padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Block(NamedTuple):
    """Neighbouring texts of one length, whose states lie in [first token, last token)."""

    texts: int
    length: int
    tokens: slice


def equal_length_blocks(lengths: Sequence[int]) -> list[Block]:
    """Group neighbours of one length; batches are sorted by length, so the blocks are few."""
    blocks = []
    first = 0
    for length, run in groupby(lengths):
        texts = sum(1 for _ in run)
        blocks.append(Block(texts, length, slice(first, first + texts * length)))
        first += texts * length
    return blocks


def attend(projected: torch.Tensor, blocks: Sequence[Block], heads: int) -> torch.Tensor:
    """Let every token attend to all tokens of its own text.

    Args:
        projected: [tokens, 3 · hidden], queries, keys and values side by side, float32 or bfloat16.
        blocks: where the texts lie.
        heads: number of attention heads.

    Returns:
        [tokens, hidden] in the same precision.
    """
    import torch

    tokens, width = projected.shape
    size = width // 3 // heads
    output = projected.new_empty(tokens, heads, size)
    attend_block = _fused if projected.dtype == torch.float32 else _multiplied
    for texts, length, where in blocks:
        block = projected[where].view(texts, length, 3, heads, size)
        output[where].view(texts, length, heads, size).copy_(attend_block(block))
    return output.view(tokens, heads * size)


def _fused(block: torch.Tensor) -> torch.Tensor:
    """Attention of [texts, length, 3, heads, size] by torch's fused kernel, the fastest in float32."""
    import torch.nn.functional as F

    query, key, value = block.permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2)


def _multiplied(block: torch.Tensor) -> torch.Tensor:
    """The same by plain multiplications, which in bfloat16 take a third of the fused kernel's time.

    The softmax goes without its shift by the row's maximum (most of its cost here) and divides after the second
    multiplication. Its exponents, to base 2, are cut to ±100, where bfloat16 has range left for a sum of 2²⁷ terms:
    a share that the cut could change is below 2⁻⁹⁹ or its row has two scores above 69, which no trained model has.
    """
    import torch

    texts, length, _, heads, size = block.shape
    query, key, value = block.permute(2, 0, 3, 1, 4).reshape(3, texts * heads, length, size)
    scores = torch.bmm(query * (math.log2(math.e) / math.sqrt(size)), key.transpose(1, 2))
    scores = scores.clamp_(-100, 100).exp2_()
    mixed = torch.bmm(scores, value).div_(scores.sum(-1, keepdim=True))
    return mixed.view(texts, heads, length, size).transpose(1, 2)
