"""Records that span several lines: a file as one text, and the JSON values in it."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from instrerank.errors import InputError

_LARGEST_WHOLE = 1 << 30
_DECODER = json.JSONDecoder()
_ARRAY = re.compile(r'\s*\[\s*($|[{\["\]])')

Lines = Iterable[tuple[int, str]]
"""Numbered lines without their ends, as `files.read_lines` yields them; empty lines may be omitted."""


class WholeText:
    """Lines joined into one text that maps each offset back to its line."""

    def __init__(self, lines: Lines, path: object) -> None:
        """Join the lines.

        Raises:
            InputError: more than a gigabyte, too much to read as one text.
        """
        self._numbers: list[int] = []
        self._starts: list[int] = []
        parts: list[str] = []
        size = 0
        for number, line in lines:
            self._numbers.append(number)
            self._starts.append(size)
            parts.append(line)
            size += len(line) + 1
            if size > _LARGEST_WHOLE:
                raise InputError(f"{path}: too large to read as one JSON value; write one object per line (jq -c)")
        self.text = "\n".join(parts)

    def line_of(self, offset: int) -> int:
        """Return the number of the line that contains an offset of the text."""
        return self._numbers[max(0, bisect_right(self._starts, offset) - 1)]


def starts_json(line: str) -> bool:
    """Return whether a file that begins with this line is JSON: objects, or an array of them."""
    return line.lstrip().startswith("{") or _ARRAY.match(line) is not None


def json_texts(lines: Lines, path: object) -> Iterator[tuple[int, str]]:
    """Yield the text of each JSON value in a file, with its line number.

    Each line is one value, unless the file begins with `[` (an array, whose members are yielded) or with an object
    that does not end on its first line (consecutive values, each of which may span several lines).

    Raises:
        InputError: an array or a multi-line object is not valid JSON.
    """
    lines = iter(lines)
    first = list(islice(lines, 1))
    if not first:
        return
    array = _ARRAY.match(first[0][1]) is not None
    if not array and not _goes_on(first[0][1]):
        yield from chain(first, lines)
        return
    whole = WholeText(chain(first, lines), path)
    text, at = whole.text, _skip(r"\s*\[" if array else "", whole.text, 0)
    while at < len(text) and not (array and text[at] == "]"):
        start = at
        try:
            at = _DECODER.raw_decode(text, at)[1]
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{whole.line_of(error.pos)}: not JSON: {error.msg}") from error
        except (ValueError, RecursionError):  # what parse_json will name
            yield whole.line_of(start), text[start:]
            return
        yield whole.line_of(start), text[start:at]
        at = _skip("", text, at)
        if array and text[at : at + 1] == ",":
            at = _skip(",", text, at)
        elif array and text[at : at + 1] != "]":
            raise InputError(f"{path}:{whole.line_of(at)}: not JSON: expected , or ] after an element of the array")
    if array and (at >= len(text) or text[at + 1 :].strip()):
        what = "the array is not closed" if at >= len(text) else "unexpected text after the array"
        raise InputError(f"{path}:{whole.line_of(at)}: not JSON: {what}")


def _goes_on(line: str) -> bool:
    """Return whether a line starts a JSON object that ends on a later line."""
    try:
        _DECODER.raw_decode(line.strip())
    except json.JSONDecodeError as error:
        return error.pos >= len(line.strip())
    except (ValueError, RecursionError):
        return False
    return False


def _skip(pattern: str, text: str, at: int) -> int:
    found = re.compile(pattern + r"\s*").match(text, at)
    return found.end() if found else at
