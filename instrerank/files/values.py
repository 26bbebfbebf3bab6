"""Values of settings held against the types of the fields that take them."""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from instrerank.errors import InputError
from instrerank.files import read_yaml_file


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


def check_keys(what: str, given: Iterable[Any], known: Sequence[str]) -> None:
    """Refuse unknown keys, and name the nearest known ones.

    Raises:
        InputError: an unknown key.
    """
    unknown = [str(key) for key in given if key not in known]
    if unknown:
        # no cutoff: something is always nearest
        near = [difflib.get_close_matches(key, known, n=1, cutoff=0)[0] for key in unknown]
        raise InputError(
            f"unknown key of {what}: {', '.join(unknown)} (nearest: {', '.join(near)}). Available: {', '.join(known)}"
        )


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Args:
        path: of the file.
        what: the file is, for messages: "the study's configuration".

    Raises:
        InputError: the file cannot be read, is not YAML, or is not a mapping.
    """
    found = read_yaml_file(path)
    if not isinstance(found, dict):
        raise InputError(f"{path}: {what} must be a YAML mapping (key: value, one a line)")
    return found


def _tuple(name: str, value: Any, hints: Sequence[Any]) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InputError(f"{name} must be a list, got {_shown(value)}")
    if hints[-1] is Ellipsis:
        return tuple(checked(f"each of {name}", each, hints[0]) for each in value)
    if len(value) != len(hints):
        raise InputError(f"{name} must be a list of {len(hints)}, got {_shown(value)}")
    return tuple(checked(name, each, hint) for each, hint in zip(value, hints, strict=True))


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | None) else f"{type(value).__name__} {value}"
    return text if len(text) <= 80 else f"{text[:77]}…"
