"""The edits of a perturbed query, marked in its text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

Kind = Literal["kept", "deleted", "inserted"]


class Segment(NamedTuple):
    """A stretch of text that an edit left alone, took away or put in."""

    kind: Kind
    text: str


def marked(original: str, edits: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """Replay edits on the original text and keep what they took away.

    Args:
        original: the text before the edits.
        edits: `kind`, `position`, `before` and `after` of each, in order: the position counts code points in the
            text as the edits before have left it (docs/perturb.md).

    Returns:
        Segments whose kept and deleted ones join to the original, kept and inserted ones to the perturbed text.
    """
    letters: list[tuple[Kind, str]] = [("kept", letter) for letter in original]
    for edit in edits:
        standing = [index for index, (kind, _) in enumerate(letters) if kind != "deleted"]
        position, length = edit["position"], len(edit["before"])
        start = standing[position] if position < len(standing) else len(letters)
        for index in standing[position : position + length]:
            kind, letter = letters[index]
            # what an earlier edit put in leaves no trace
            letters[index] = ("deleted", letter if kind == "kept" else "")
            start = index + 1
        letters[start:start] = [("inserted", letter) for letter in edit["after"]]
    groups = itertools.groupby((pair for pair in letters if pair[1]), key=lambda pair: pair[0])
    return [Segment(kind, "".join(letter for _, letter in group)) for kind, group in groups]


def visible(text: str) -> str:
    """Return the text with the code points of characters that are invisible, or look like others.

    Those are control and format characters (zero-width ones among them), and a lone one outside ASCII, which may
    look like a letter of ASCII.
    """
    if len(text) == 1 and not text.isascii() and text.isprintable():
        return f"{text} [U+{ord(text):04X}]"
    return "".join(letter if letter.isprintable() else f"[U+{ord(letter):04X}]" for letter in text)
