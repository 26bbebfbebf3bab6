"""Attention over texts packed one after the other without padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


_ROWS = 128
"""Number of tokens that attend together if attention has a window."""
_LONG = 1024
"""Number of tokens above which the attention scores of a text do not fit into the cache."""
_CACHED_SCORES = 150_000
"""Number of float32 attention scores that fit into the cache of one core."""


class Block(NamedTuple):
    """Neighbouring texts of equal length, with the slice of their states.

    Attributes:
        texts: number of texts.
        length: tokens of each.
        tokens: where their states are.
        bias: added to the scaled attention scores of each, [heads, length, length] in the precision of attention.
    """

    texts: int
    length: int
    tokens: slice
    bias: torch.Tensor | None = None


def equal_length_blocks(lengths: Sequence[int]) -> list[Block]:
    """Group neighbours of equal length; batches are sorted by length, so there are few blocks."""
    blocks = []
    first = 0
    for length, run in groupby(lengths):
        texts = sum(1 for _ in run)
        blocks.append(Block(texts, length, slice(first, first + texts * length)))
        first += texts * length
    return blocks


def attend(projected: torch.Tensor, blocks: Sequence[Block], heads: int, window: int | None = None) -> torch.Tensor:
    """Let every token attend to the tokens of its own text.

    Args:
        projected: [tokens, 3 · hidden], queries, keys and values side by side, float32 or bfloat16.
        blocks: the texts.
        heads: number of attention heads.
        window: number of tokens on either side that a token attends to; None: the whole text. Only without bias.

    Returns:
        [tokens, hidden] in the same precision.
    """
    import torch

    tokens, width = projected.shape
    size = width // 3 // heads
    output = projected.new_empty(tokens, heads * size)
    for texts, length, where, bias in blocks:
        query, key, value = projected[where].view(texts, length, 3, heads, size).permute(2, 0, 3, 1, 4)
        target = output[where].view(texts, length, heads, size).transpose(1, 2)
        if bias is not None and projected.dtype == torch.float32:
            _attend_with_bias(query, key, value, bias, target)
            continue
        if window is None or length <= window + 1:
            target.copy_(_attention(query, key, value, bias))
            continue
        for first in range(0, length, _ROWS):
            rows = slice(first, min(first + _ROWS, length))
            keys = slice(max(first - window, 0), rows.stop + window)
            near = _near(rows, min(keys.stop, length) - keys.start, keys.start, window)
            target[:, :, rows] = _attention(query[:, :, rows], key[:, :, keys], value[:, :, keys], near)
    return output


def _near(rows: slice, keys: int, first_key: int, window: int) -> torch.Tensor:
    """Return which of `keys` tokens from `first_key` on lie in the window of each row, bool [rows, keys]."""
    import torch

    distance = torch.arange(rows.start, rows.stop).unsqueeze(1) - torch.arange(first_key, first_key + keys)
    return distance.abs() <= window


def _attend_with_bias(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor, target: torch.Tensor
) -> None:
    """Write attention into `target`, all [texts, heads, length, size] in float32, some heads of a text at a time.

    While the scores stay in the cache this takes half the time of torch's fused kernel, which is slow with a mask.
    """
    import torch

    _, heads, length, size = query.shape
    together = max(1, _CACHED_SCORES // length**2)
    for text in range(len(query)):
        for first in range(0, heads, together):
            some = slice(first, first + together)
            scores = torch.baddbmm(
                bias[some], query[text, some], key[text, some].transpose(1, 2), alpha=1 / math.sqrt(size)
            )
            target[text, some] = torch.bmm(scores.softmax(-1), value[text, some])


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Attention of queries [texts, heads, rows, size] to keys and values [texts, heads, keys, size].

    A mask is as in torch's kernel: bool for which keys a row attends to, or numbers added to the scores.

    In float32, and for long texts, torch's fused kernel is the fastest. For short texts in bfloat16, plain
    multiplications take a third of its time, done so:

    The softmax goes without its shift by the row's maximum (most of its cost here) and divides after the second
    multiplication. Its exponents, to base 2, are cut to ±100, where the sums keep within bfloat16's range; the cut
    changes a result only where scores of one row lie more than 69 from zero, which no trained model's do.
    """
    import torch
    import torch.nn.functional as F

    texts, heads, rows, size = query.shape
    keys = key.shape[2]
    if query.dtype == torch.float32 or keys > _LONG:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    key, value = (one.reshape(texts * heads, keys, size) for one in (key, value))
    query = (query * (math.log2(math.e) / math.sqrt(size))).reshape(texts * heads, rows, size)
    weights = torch.bmm(query, key.transpose(1, 2))
    if mask is not None and mask.dtype != torch.bool:
        weights.view(texts, heads, rows, keys).add_(mask, alpha=math.log2(math.e))
    weights.clamp_(-100, 100).exp2_()
    if mask is not None and mask.dtype == torch.bool:
        weights.mul_(mask)
    return torch.bmm(weights, value).div_(weights.sum(-1, keepdim=True)).view(texts, heads, rows, size)
