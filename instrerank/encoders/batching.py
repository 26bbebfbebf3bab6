"""Batches of texts of like length, run in several threads, or in halves where memory is short."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from instrerank.errors import InstrerankError

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def length_sorted_batches(texts: Sequence[str], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group texts of like length, longest first, so that a padded batch stays within `budget` tokens.

    A text longer than the budget is a batch of its own. Ties in length go by the text, so that batches, and
    with them the last bits of vectors, do not depend on the order in which the texts were given.
    """
    batches: list[list[int]] = []
    width = 0
    for at in sorted(range(len(texts)), key=lambda index: (-lengths[index], texts[index])):
        if not batches or (len(batches[-1]) + 1) * width > budget:
            batches.append([])
            width = lengths[at]
        batches[-1].append(at)
    return batches


def padded(token_ids: Sequence[Sequence[int]], filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch padded on the right, int64 [texts, longest], and a mask of the same shape, True for tokens."""
    import torch

    lengths = torch.tensor([len(ids) for ids in token_ids])
    mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
    result = torch.full(mask.shape, filler)
    result[mask] = torch.tensor([index for ids in token_ids for index in ids])
    return result, mask


def run_batches(
    batches: Sequence[list[int]], job: Callable[[list[int]], Result], workers: int
) -> Iterator[tuple[list[int], Result]]:
    """Yield each batch with what `job` makes of it, in order, `workers` of them at the same time.

    Each of several workers computes with one thread of torch: that wastes less than all threads on one batch,
    and the same numbers come out whatever the number of workers.
    """
    if workers == 1:
        yield from zip(batches, map(job, batches), strict=True)
        return
    import torch

    before = torch.get_num_threads()
    # the setting holds for the thread that makes it and for those started later: put it back for them
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as threads:
        try:
            yield from zip(batches, threads.map(job, batches), strict=True)
        finally:
            threads.shutdown(cancel_futures=True)
            torch.set_num_threads(before)


def run_halving(run: Callable[[Sequence[Item]], torch.Tensor], batch: Sequence[Item]) -> torch.Tensor:
    """Run a batch; where the device's memory is too small for it, its halves, and join what they give.

    Raises:
        InstrerankError: a single text does not fit.
    """
    import torch

    try:
        return run(batch)
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise InstrerankError(
                "a single text does not fit into the device's memory beside the network: lower `max_length`, or use "
                "`dtype` bfloat16 or `device` cpu"
            ) from error
    # outside the handler: the traceback there holds on to the batch's memory
    torch.cuda.empty_cache()
    middle = len(batch) // 2
    return torch.cat([run_halving(run, part) for part in (batch[:middle], batch[middle:])])
