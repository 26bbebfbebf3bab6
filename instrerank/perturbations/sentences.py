"""Sentences of a passage, and the one that most likely answers a query."""

from __future__ import annotations

import re

from instrerank.perturbations.morphology import other_number
from instrerank.perturbations.words import LETTERS, is_eligible

_END = re.compile(
    r"""(?<=[.!?…])(?<!\b[A-Z]\.)(?<!\b(?:Dr|Mr|Ms|St|vs|No|Jr|Sr|Co)\.)(?<!\b(?:Mrs|Inc|Ltd)\.)(?<!\b(?:Capt|Prof)\.)\s+(?=[^a-z\s])"""
    r"""|(?<=[.!?…]["”’)])\s+(?=[^a-z\s])"""
    r"""|(?<=[。！？｡।])\s*(?=\S)|\s*\n\s*"""
)
"""Between two sentences: after final punctuation (not that of initials and common titles), and at line breaks."""


def sentences(text: str) -> list[str]:
    """Split a passage into its sentences; one without final punctuation is a single sentence."""
    return [part.strip() for part in _END.split(text) if part.strip()]


def content_words(text: str) -> set[str]:
    """Return the eligible words of a text in lower case, each also in its other number (English rules)."""
    words = {match[0].lower() for match in LETTERS.finditer(text) if is_eligible(match[0])}
    return words | {other for word in words if word.isascii() and (other := other_number(word))}


def answer_sentence(parts: list[str], query: str) -> int | None:
    """Return the index of the sentence with most of the query's words; None if none has any.

    Of several the first; a question only if no other sentence has any of the words.
    """
    wanted = content_words(query)
    shared = [len({match[0].lower() for match in LETTERS.finditer(part)} & wanted) for part in parts]
    stated = [0 if part.endswith(("?", "？")) else count for part, count in zip(parts, shared, strict=True)]
    counts = stated if any(stated) else shared
    return counts.index(max(counts)) if any(counts) else None
