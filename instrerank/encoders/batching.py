"""Batches of texts of like length, run in several threads, or in halves where memory is short."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from instrerank.encoders.tokenizing import Tokens
from instrerank.errors import InstrerankError

if TYPE_CHECKING:
    import torch

Result = TypeVar("Result")


def length_sorted_batches(texts: Sequence[str], tokens: Sequence[Tokens], budget: int) -> list[list[int]]:
    """Group texts of like length, longest first, so that a padded batch stays within `budget` tokens.

    A text longer than the budget is a batch of its own. Ties in length go by the text, so that batches, and
    with them the last bits of vectors, do not depend on the order in which the texts were given.
    """
    batches: list[list[int]] = []
    width = 0
    for at in sorted(range(len(texts)), key=lambda index: (-len(tokens[index].ids), texts[index])):
        if not batches or (len(batches[-1]) + 1) * width > budget:
            batches.append([])
            width = len(tokens[at].ids)
        batches[-1].append(at)
    return batches


def run_batches(
    batches: Sequence[list[int]], job: Callable[[list[int]], Result], workers: int
) -> Iterator[tuple[list[int], Result]]:
    """Yield each batch with what `job` makes of it, in order, `workers` of them at the same time."""
    if workers == 1:
        yield from zip(batches, map(job, batches), strict=True)
        return
    with ThreadPoolExecutor(workers) as threads:
        yield from zip(batches, threads.map(job, batches), strict=True)


def run_halving(run: Callable[[list[list[int]]], torch.Tensor], token_ids: list[list[int]]) -> torch.Tensor:
    """Run a batch; where the device's memory is too small for it, its halves.

    Raises:
        InstrerankError: a single text does not fit.
    """
    import torch

    try:
        return run(token_ids)
    except torch.OutOfMemoryError as error:
        if len(token_ids) == 1:
            raise InstrerankError(
                f"a text of {len(token_ids[0])} tokens does not fit into the device's memory: lower "
                "--max-length, or use --dtype bfloat16 or --device cpu"
            ) from error
    # outside the handler: the traceback there holds on to the batch's memory
    torch.cuda.empty_cache()
    middle = len(token_ids) // 2
    return torch.cat([run_halving(run, part) for part in (token_ids[:middle], token_ids[middle:])])
