"""JSON and YAML as people write them: whatever is wrong with a text is an `InputError`, and its size is bounded."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from instrerank.errors import InputError
from instrerank.files.reading import read_lines

_MOST_CHARACTERS = 4_000_000
_MOST_VALUES = 100_000
_DEEPEST = 100

_SCAN: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
"""What `json.loads` calls, which looks for whitespace around the value besides."""

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def parse_json(text: str, place: str) -> Any:
    r"""Parse a JSON text.

    Args:
        text: a line or another part of a file.
        place: `FILE:LINE`, for messages.

    Raises:
        InputError: not JSON, nested too deeply, a number with too many digits, or an unpaired surrogate (such as
            `\ud83d` alone), which UTF-8 cannot encode.
    """
    try:
        try:
            value, end = _SCAN(text, 0)
        except StopIteration:
            end = -1
        if end != len(text):
            value = json.loads(text)
        # a single character is found many times faster than two
        if "\\" in text and "\\u" in text:
            if "\\ud" in text or "\\uD" in text:
                json.dumps(value, ensure_ascii=False).encode()
            if _NUL.search(text):
                raise InputError(f"{place}: contains \\u0000 (NUL), which is not allowed in a text file")
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise InputError(f"{place}: JSON nested too deeply") from error
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise InputError(f"{place}: {half} is an unpaired surrogate; replace it with \\ufffd") from error
    except InputError:
        raise
    except ValueError as error:  # an integer of more than 4,300 digits
        raise InputError(f"{place}: JSON that cannot be parsed: {error}") from error
    return value


def read_json_file(path: str | Path) -> Any:
    """Return the value that a JSON file holds.

    Raises:
        InputError: it cannot be read, or `parse_json` refuses it.
    """
    return parse_json("\n".join(line for _, line in read_lines(path)), str(path))


def read_yaml_file(path: str | Path) -> Any:
    """Return the value of a YAML file, of plain types.

    Raises:
        InputError: it cannot be read, is not YAML, has a duplicate key (PyYAML would keep the last), or is too large,
            as it stands or with its aliases expanded: nine lines can stand for a thousand million values.
    """
    import yaml

    try:
        text = "\n".join(line for _, line in read_lines(path))
        if len(text) > _MOST_CHARACTERS:
            raise InputError(f"{path}: larger than {_MOST_CHARACTERS:,} characters")
        # the C parser if available: a study has thousands of sidecars
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        _check_depth(yaml.parse(text, loader), path)
        node = yaml.compose(text, loader)
        _check_nodes(node, path)
        return yaml.SafeLoader("").construct_document(node) if node else None
    # PyYAML lets errors of Python's own types through: of dates (13th month), tags (!!bool x), deep nesting
    except (
        *(yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError),
    ) as error:
        if isinstance(error, InputError):
            raise
        reason = "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise InputError(f"{path} is not valid YAML: {reason or type(error).__name__}") from error


def _check_depth(events: Iterable[Any], path: str | Path) -> None:
    """Refuse deep nesting, at which the C parser, which composes by recursion, ends the process."""
    depth = 0
    for event in events:
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        if depth > _DEEPEST:
            raise InputError(f"{path}: nested too deeply")


def _check_nodes(root: Any, path: str | Path) -> None:
    """Refuse duplicate keys, and more values, aliases expanded, than any of our files has."""
    waiting, count = [root], 0
    while waiting:
        node = waiting.pop()
        count += 1
        if count > _MOST_VALUES:
            raise InputError(f"{path}: more than {_MOST_VALUES:,} values once its aliases are expanded")
        children = getattr(node, "value", None)
        if not isinstance(children, list):
            continue
        if children and isinstance(children[0], tuple):
            keys = [key.value for key, _ in children if isinstance(key.value, str) and key.value != "<<"]
            duplicate = next((key for key, times in Counter(keys).items() if times > 1), None)
            if duplicate is not None:
                raise InputError(f"{path} is not valid YAML: duplicate key {duplicate!r}")
            children = [each for pair in children for each in pair]
        waiting += children
