"""The edits of a perturbed query, marked in its text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

Kind = Literal["kept", "deleted", "inserted"]


class Segment(NamedTuple):
    """A stretch of text that the edits kept, deleted or inserted."""

    kind: Kind
    text: str


def marked(original: str, edits: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """Replay edits on the original text, keeping what they delete.

    Args:
        original: the text before the edits.
        edits: `kind`, `position`, `before` and `after` of each, in order; positions count code points in the text
            after all earlier edits (docs/perturb.md).

    Returns:
        Segments; kept and deleted ones join to the original text, kept and inserted ones to the perturbed text.
    """
    letters: list[tuple[Kind, str]] = [("kept", letter) for letter in original]
    for edit in edits:
        standing = [index for index, (kind, _) in enumerate(letters) if kind != "deleted"]
        position, length = edit["position"], len(edit["before"])
        start = standing[position] if position < len(standing) else len(letters)
        for index in standing[position : position + length]:
            kind, letter = letters[index]
            # text that an earlier edit inserted leaves no trace
            letters[index] = ("deleted", letter if kind == "kept" else "")
            start = index + 1
        letters[start:start] = [("inserted", letter) for letter in edit["after"]]
    groups = itertools.groupby((pair for pair in letters if pair[1]), key=lambda pair: pair[0])
    return [Segment(kind, "".join(letter for _, letter in group)) for kind, group in groups]


def visible(text: str) -> str:
    """Return the text with code points for characters that are invisible or look like others.

    These are control and format characters such as zero-width ones, and a single non-ASCII character, which may look
    like an ASCII letter.
    """
    if len(text) == 1 and not text.isascii() and text.isprintable():
        return f"{text} [U+{ord(text):04X}]"
    return "".join(letter if letter.isprintable() else f"[U+{ord(letter):04X}]" for letter in text)
