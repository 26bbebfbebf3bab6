"""Linear layers laid out once for the processor's matrix multiplication."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Activation = Literal["none", "gelu"]
Linear = Callable[["torch.Tensor"], "torch.Tensor"]
"""[tokens, in] to [tokens, out], both in the precision of the network."""

USUAL_TOKENS = 1024
"""Number of rows that oneDNN lays the weights out for; other numbers work too, at most a little slower."""


def float_linear(
    weight: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype, activation: Activation = "none"
) -> Linear:
    """Return x ↦ activation(x Wᵀ + b).

    Weights are packed with oneDNN through private operators of torch, after a check that these exist and compute the
    same; the fallback is `torch.nn.functional.linear` (about 8 % slower).

    Args:
        weight: [out, in] in float32.
        bias: [out] in float32.
        dtype: precision of weights, input and output: float32 or bfloat16.
        activation: "gelu" is the exact one (with erf).
    """
    import torch.nn.functional as F

    kept, offset = weight.to(dtype), None if bias is None else bias.to(dtype)
    if _packing_works(dtype):
        ops: Any = _torch_mkldnn()
        packed = ops._reorder_linear_weight(kept.contiguous(), USUAL_TOKENS)
        algorithm = "none" if activation == "gelu" else ""
        return lambda states: ops._linear_pointwise(states, packed, offset, activation, [], algorithm)
    if activation == "gelu":
        return lambda states: F.gelu(F.linear(states, kept, offset))
    return lambda states: F.linear(states, kept, offset)


def pack_linears(network: torch.nn.Module) -> None:
    """Lay out the linear layers of a network once, in place; it then runs, but holds their weights no more.

    Matrix products are over four fifths of a decoder's time, and take half as long so (benchmarks/README.md).

    Args:
        network: on the CPU, of code that asks for no weight but through the layer.
    """
    import torch

    linears: list[Any] = [layer for layer in network.modules() if type(layer) is torch.nn.Linear]
    for layer in linears:
        dtype = layer.weight.dtype
        if dtype in (torch.float32, torch.bfloat16) and _packing_works(dtype):
            bias = None if layer.bias is None else layer.bias.detach()
            layer.forward = float_linear(layer.weight.detach(), bias, dtype)
            # T5 looks at the dtype
            layer.weight = torch.nn.Parameter(torch.empty(0, dtype=dtype), requires_grad=False)


def _torch_mkldnn() -> Any:
    import torch

    return torch.ops.mkldnn


@cache
def _packing_works(dtype: torch.dtype) -> bool:
    import torch
    import torch.nn.functional as F

    generator = torch.Generator().manual_seed(0)
    states, weight, bias = (torch.randn(shape, generator=generator).to(dtype) for shape in ((5, 32), (48, 32), (48,)))
    try:
        ops = _torch_mkldnn()
        packed = ops._reorder_linear_weight(weight, USUAL_TOKENS)
        found = ops._linear_pointwise(states, packed, bias, "gelu", [], "none")
    except (AttributeError, RuntimeError):  # another torch, or one without oneDNN
        return False
    tolerance = 1e-5 if dtype == torch.float32 else 0.1
    return torch.allclose(found, F.gelu(F.linear(states, weight, bias)), rtol=tolerance, atol=tolerance)
