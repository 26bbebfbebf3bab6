"""Seeds as people write them: `3`, `1,2,3`, `1..10`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from instrerank.errors import InputError

_MOST = 10_000


def seeds_of(given: int | str | Sequence[int]) -> list[int]:
    """Return distinct seeds, in order.

    Args:
        given: `3`, `1,2,3`, `1..10`, `1..3,7`, or whole numbers from 0.

    Raises:
        InputError: something else, an empty range, or too many.
    """
    seeds: list[int] = []
    if isinstance(given, str) or (isinstance(given, int) and not isinstance(given, bool)):
        for part in str(given).split(","):
            match = re.fullmatch(r"\s*([0-9]{1,9})(?:\.\.([0-9]{1,9}))?\s*", part)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
            if last < first:
                raise InputError(f"`seeds` must be like 1,2,3 or 1..10, got {given!r:.80}")
            if len(seeds) + last - first >= _MOST:
                raise InputError(f"`seeds` must be at most {_MOST}, got {given!r:.80}")
            seeds += range(first, last + 1)
    elif isinstance(given, Sequence):
        seeds += [seed for seed in given if type(seed) is int and seed >= 0]
        seeds = seeds if len(seeds) == len(given) else []
    if not seeds:
        raise InputError(f"`seeds` must be whole numbers of at least 0, such as 1,2,3 or 1..10, got {given!r:.80}")
    return list(dict.fromkeys(seeds))
