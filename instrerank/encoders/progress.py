"""How far long work is: a bar for who watches it, else a line in the log every minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SECONDS_A_LINE = 60

log = logging.getLogger(__name__)


@contextmanager
def counted(total: int | None, what: str, unit: str = "text", *, progress: bool) -> Iterator[Callable[[int], object]]:
    """Give a function that takes how many more are done.

    Args:
        total: how many there are; None if that is not known.
        what: they are, in the plural.
        unit: one of them, for the bar.
        progress: show a bar; else the log has a line every minute.
    """
    if progress and total != 0:
        from tqdm import tqdm

        with tqdm(total=total, desc=what, unit=unit, leave=None) as bar:
            yield bar.update
        return
    done, said = 0, time.monotonic()

    def count(more: int) -> None:
        nonlocal done, said
        done += more
        if time.monotonic() - said >= _SECONDS_A_LINE:
            said = time.monotonic()
            log.info(f"{what}: {done}" + (f" of {total}" if total is not None else ""))

    yield count
