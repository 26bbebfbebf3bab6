"""Gathering tensors from all processes, with gradients that flow back to the process of origin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist


def place() -> tuple[int, int]:
    """Return this process's rank and the number of processes."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def gather(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Return the [n, …] tensors of all processes; n may differ between processes."""
    _, world = place()
    if world == 1:
        return [tensor]
    stack: Callable[[torch.Tensor], torch.Tensor] = _Gather.apply
    counts = [int(each) for each in stack(torch.tensor(len(tensor), device=tensor.device))]
    padded = torch.cat([tensor, tensor.new_zeros(max(counts) - len(tensor), *tensor.shape[1:])])
    return [each[:real] for each, real in zip(stack(padded), counts, strict=True)]


class _Gather(torch.autograd.Function):
    """Gather […] to [processes, …]; the gradient of each process's part is summed over all processes."""

    @staticmethod
    def forward(context: Any, tensor: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total[dist.get_rank()]
