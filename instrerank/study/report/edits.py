"""The edits of a perturbed query, marked in its text."""

from __future__ import annotations

import itertools
import unicodedata
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
    """Return the text with its code points in place of characters that cannot be seen, such as zero-width ones."""
    return "".join(f"[U+{ord(c):04X}]" if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in text)
