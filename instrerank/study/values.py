"""Values of settings held against the types of the fields that take them."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin

from instrerank.errors import InputError

_MOST_SEEDS = 10_000


def checked(name: str, value: Any, hint: Any) -> Any:
    """Return a value as a field of a type takes it: a list as a tuple, all else as it is.

    Args:
        name: of the field, for messages.
        value: as YAML or Python gives it.
        hint: type of the field: str, int, float, bool, a Literal, a tuple of those, or one of them or None.

    Raises:
        InputError: a value of another type (a date, true for a number), not finite, or not one of those allowed.
    """
    if get_origin(hint) in (types.UnionType, Union):
        if value is None:
            return None
        # of `str | Path | None` the first: YAML has no paths
        hint = next(each for each in get_args(hint) if each is not types.NoneType)
    if get_origin(hint) is tuple:
        return _tuple(name, value, get_args(hint))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise InputError(f"{name} must be one of {', '.join(get_args(hint))}, got {_shown(value)}")
    elif hint is bool:
        if not isinstance(value, bool):
            raise InputError(f"{name} must be true or false, got {_shown(value)}")
    elif hint is int:
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**31:
            raise InputError(f"{name} must be a whole number, got {_shown(value)}")
    elif hint is float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < math.inf:
            raise InputError(f"{name} must be a number, got {_shown(value)}")
    elif hint is str and (not isinstance(value, str) or not value.strip() or "\0" in value):
        raise InputError(f"{name} must be text, got {_shown(value)}")
    return value


def _tuple(name: str, value: Any, hints: Sequence[Any]) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputError(f"{name} must be a list, got {_shown(value)}")
    if hints[-1] is Ellipsis:
        return tuple(checked(f"each of {name}", each, hints[0]) for each in value)
    if len(value) != len(hints):
        raise InputError(f"{name} must be a list of {len(hints)}, got {_shown(value)}")
    return tuple(checked(name, each, hint) for each, hint in zip(value, hints, strict=True))


def seeds_of(value: Any) -> Any:
    """Return the seeds of `3`, `1,2,3`, `1..10` or `1..3,7` as a list, as `--seeds` takes them; a list as it is.

    Raises:
        InputError: something else, an empty range, or too many.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        return value
    seeds: list[int] = []
    for part in str(value).split(","):
        match = re.fullmatch(r"\s*([0-9]{1,9})(?:\.\.([0-9]{1,9}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if last < first:
            raise InputError(f"seeds must be like 1,2,3 or 1..10, got {_shown(value)}")
        if len(seeds) + last - first >= _MOST_SEEDS:
            raise InputError(f"seeds must be at most {_MOST_SEEDS}, got {_shown(value)}")
        seeds += range(first, last + 1)
    return list(dict.fromkeys(seeds))


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else f"{type(value).__name__} {value}"
    return text if len(text) <= 80 else f"{text[:77]}…"
