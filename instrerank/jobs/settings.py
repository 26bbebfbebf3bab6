"""Settings of jobs from keyword arguments; errors for unknown ones suggest the nearest name."""

from __future__ import annotations

import dataclasses
import difflib
from typing import Any, TypeVar

from instrerank.errors import InputError

_Settings = TypeVar("_Settings")


def settings_of(kind: type[_Settings], /, **given: Any) -> _Settings:
    """Make a settings dataclass from keyword arguments.

    A field that is itself a dataclass of settings (such as `load`) can be given by its own fields, so that
    `rerank(…, dtype="int8")` needs no `LoadOptions`.

    Raises:
        InputError: an unknown argument, or a missing one.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    makers: dict[str, Any] = {name: field.default_factory for name, field in fields.items()}
    nested = {
        name: make() for name, make in makers.items() if isinstance(make, type) and dataclasses.is_dataclass(make)
    }
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        owner = next((each for each, default in nested.items() if hasattr(default, name) and name not in fields), None)
        if name in fields:
            own[name] = value
        elif owner is not None:
            inner.setdefault(owner, {})[name] = value
        else:
            known = [*fields, *(each.name for default in nested.values() for each in dataclasses.fields(default))]
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            raise InputError(f"unknown parameter `{name}` (nearest: `{nearest}`). Available: {', '.join(known)}")
    for owner, values in inner.items():
        own[owner] = dataclasses.replace(own.get(owner, nested[owner]), **values)
    required = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING and name not in own
    ]
    if required:
        raise InputError(f"missing parameter {', '.join(f'`{name}`' for name in required)}")
    return kind(**own)
