"""Linear layers in 8-bit integers: weights scaled per output, activations per token.

A token's scale is its own largest value, so that its result does not depend on the rest of the batch.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from instrerank.encoders.networks.linear import USUAL_TOKENS, Activation, Linear
from instrerank.errors import InputError

if TYPE_CHECKING:
    import torch

_LEAST_GELU = 0.17
"""GELU gives no less than −0.16998: shifted by this, its values fill the range of unsigned bytes."""


def int8_linear(
    weight: torch.Tensor, bias: torch.Tensor, activation: Activation = "none", *, after_gelu: bool = False
) -> Linear:
    """Return x ↦ activation(x Wᵀ + b), in float32 outside the multiplication.

    Args:
        weight: [out, in] in float32.
        bias: [out] in float32.
        activation: "gelu" is the exact one (with erf).
        after_gelu: the input comes from a GELU.

    Raises:
        InputError: this processor or this torch does not support fast and exact int8 products.
    """
    import torch
    import torch.nn.functional as F

    if not _bytes_multiply():
        raise InputError(
            "`dtype` int8 needs a processor with VNNI (Intel since 2019, AMD since Zen 4) and a torch built with "
            "oneDNN: use float32 or bfloat16"
        )
    qlinear = torch.ops.onednn.qlinear_pointwise
    scale = weight.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / 127
    rounded = (weight / scale.unsqueeze(1)).round().to(torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(rounded, [USUAL_TOKENS, weight.shape[1]])
    no_offset = torch.zeros(len(weight), dtype=torch.int32)
    quantise, zero = (_gelu_bytes, 0) if after_gelu else (_centred_bytes, 128)
    if after_gelu:
        bias = bias - _LEAST_GELU * scale * rounded.sum(1)

    def linear(states: torch.Tensor) -> torch.Tensor:
        values, scales = quantise(states.float())
        product = qlinear(values, 1.0, zero, packed, scale, no_offset, None, 1.0, 0, torch.float32, "none", [], "")
        result = torch.addcmul(bias, product, scales, out=product)
        return F.gelu(result) if activation == "gelu" else result

    return linear


def _centred_bytes(states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return bytes [tokens, in] and scales [tokens, 1] with states ≈ (bytes − 128) · scales."""
    import torch

    scales = states.abs().amax(1, keepdim=True).clamp_min_(1e-30).div_(127)
    values = (states * scales.reciprocal()).round_().to(torch.int8)
    # flipping the highest bit adds 128; torch converts floats to signed bytes three times as fast
    return values.bitwise_xor_(-128).view(torch.uint8), scales


def _gelu_bytes(states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return bytes [tokens, in] and scales [tokens, 1] with states ≈ bytes · scales − `_LEAST_GELU`."""
    import torch

    scales = states.amax(1, keepdim=True).add_(_LEAST_GELU).clamp_min_(1e-30).div_(255)
    factor = scales.reciprocal()
    # torch.addcmul would take four times as long to stretch two columns
    values = (states * factor).add_(_LEAST_GELU * factor - 128).round_().to(torch.int8)
    return values.bitwise_xor_(-128).view(torch.uint8), scales


@cache
def _bytes_multiply() -> bool:
    """Return whether int8 products are exact here: without VNNI their 16-bit sums saturate."""
    import torch

    if not _has_vnni():
        return False
    states = torch.full((5, 64), 255, dtype=torch.uint8)
    weight = torch.full((16, 64), -127, dtype=torch.int8)
    ones, zeros = torch.ones(16), torch.zeros(16, dtype=torch.int32)
    try:
        packed = torch.ops.onednn.qlinear_prepack(weight, [5, 64])
        found = torch.ops.onednn.qlinear_pointwise(
            states, 1.0, 128, packed, ones, zeros, None, 1.0, 0, torch.float32, "none", [], ""
        )
    except (AttributeError, RuntimeError):  # another torch, or one without oneDNN
        return False
    return bool((found == -127 * 127 * 64).all())


def _has_vnni() -> bool:
    import torch

    probe: Any = getattr(torch.cpu, "_is_vnni_supported", None)
    return bool(probe and probe())
