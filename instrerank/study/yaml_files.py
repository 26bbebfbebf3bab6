"""YAML as people write it: whatever is wrong with a file is an `InputError`, and its size is bounded."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from instrerank.errors import InputError

_MOST_BYTES = 4_000_000
_MOST_VALUES = 100_000
"""Values of a file with its aliases expanded: nine lines can stand for a thousand million."""


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a duplicate key, of which PyYAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for index, key in enumerate(keys) if key in keys[:index] and key != "<<"), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {twice!r}", node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Args:
        path: of the file.
        what: of which the file is part, for messages: "the study's configuration".

    Raises:
        InputError: the file cannot be read, is not YAML, has a duplicate key, is not a mapping, or is too large once
            its aliases are expanded.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: larger than {_MOST_BYTES} bytes, which {what} is not")
        found = yaml.load(path.read_text(encoding="utf-8"), _Loader)
        if sum(1 for _ in _values(found)) > _MOST_VALUES:
            raise InputError(f"{path}: more than {_MOST_VALUES} values once its aliases are expanded")
    except InputError:
        raise
    # PyYAML lets errors of Python's own types through: of dates (13th month), tags (!!bool x), deep nesting
    except (OSError, yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error) or type(error).__name__
        raise InputError(f"cannot read {what} {path}: {reason}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: {what} must be a YAML mapping (topics: …, qrels: …, encoders: […])")
    return found


def _values(root: Any) -> Iterator[Any]:
    """Yield every value as often as it stands in the file with its aliases expanded, and no more than are allowed."""
    waiting, count = [root], 0
    while waiting and count <= _MOST_VALUES:
        value = waiting.pop()
        count += 1
        yield value
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value
