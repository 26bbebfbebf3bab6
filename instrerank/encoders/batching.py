"""Batches of texts of similar length, run in several threads, or in halves where memory is short."""

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
    """Group texts of similar length, longest first, so that a padded batch stays within `budget` tokens.

    A text longer than the budget is a batch of its own. Ties in length are broken by the text, so that batches, and
    with them the last bits of vectors, do not depend on the order of the texts.
    """
    batches: list[list[int]] = []
    width = 0
    for at in sorted(range(len(texts)), key=lambda index: (-lengths[index], texts[index])):
        if not batches or (len(batches[-1]) + 1) * width > budget:
            batches.append([])
            width = lengths[at]
        batches[-1].append(at)
    return batches


def padded(rows: Sequence[torch.Tensor], filler: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Make one batch of texts of different lengths, padded on the right.

    Args:
        rows: token ids [length] or token states [length, hidden] of each text.
        filler: padding value.

    Returns:
        [texts, longest] or [texts, longest, hidden], and a bool mask [texts, longest] that is True for tokens.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    batch = pad_sequence(list(rows), batch_first=True, padding_value=filler)
    lengths = torch.tensor([len(row) for row in rows], device=batch.device)
    return batch, torch.arange(batch.shape[1], device=batch.device) < lengths.unsqueeze(1)


def run_batches(
    batches: Sequence[list[int]], job: Callable[[list[int]], Result], workers: int
) -> Iterator[tuple[list[int], Result]]:
    """Yield each batch with its result from `job`, in order, running `workers` batches in parallel.

    With several workers, each computes with one torch thread: this wastes less time than all threads on one batch,
    and the results do not depend on the number of workers.
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
    """Run a batch; if it does not fit into the device's memory, run its halves and join the results.

    Raises:
        InstrerankError: a single text does not fit.
    """
    import torch

    try:
        return run(batch)
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise InstrerankError(
                "out of memory: a single text does not fit on the device next to the network; lower `max_length`, or "
                "use `dtype` bfloat16 or `device` cpu"
            ) from error
    # outside the handler: the traceback there holds on to the batch's memory
    torch.cuda.empty_cache()
    middle = len(batch) // 2
    return torch.cat([run_halving(run, part) for part in (batch[:middle], batch[middle:])])
