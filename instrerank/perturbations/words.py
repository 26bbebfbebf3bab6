"""Words of a query: their positions, and which of them a perturbation may change."""

from __future__ import annotations

import re
import unicodedata

LETTERS = re.compile(r"[^\W\d_]+")
"""A word: a maximal run of letters (docs/methods.md, Perturbations)."""

TOKENS = re.compile(r"\S+")


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


STOP_WORDS = word_set(
    """
    a about above after again against all am an and any are aren as at be because been before being below
    between both but by can cannot could couldn d did didn do does doesn doing don down during each few for from
    further had hadn has hasn have haven having he her here hers herself him himself his how i if in into is isn
    it its itself just ll m ma me might mightn more most must mustn my myself needn no nor not now o of off on
    once only or other our ours ourselves out over own re s same shan she should shouldn so some such t than
    that the their theirs them themselves then there these they this those through to too under until up ve very
    was wasn we were weren what when where which while who whom why will with won would wouldn y you your yours
    yourself yourselves
    """
)
"""English function words, including parts split off by apostrophes ("doesn", "ll"), after Snowball's list."""


def is_eligible(word: str) -> bool:
    """Return whether a word has at least three letters and is not a stop word."""
    return len(word) >= 3 and word.lower() not in STOP_WORDS


def eligible(text: str) -> list[tuple[int, int]]:
    """Return the (start, end) of each eligible word: at least three letters, not a stop word.

    Words that end with a combining mark are skipped: an edit there would move the mark to another letter.
    """
    return [
        match.span()
        for match in LETTERS.finditer(text)
        if is_eligible(match[0]) and unicodedata.category(text[match.end() : match.end() + 1] or " ")[0] != "M"
    ]


def bare(token: str) -> str:
    """Return a token in lower case without the punctuation around it: `"Goldfish?` gives `goldfish`."""
    return token.strip("\"'`“”‘’.,;:!?()[]{}…").lower()


def with_case_of(word: str, model: str) -> str:
    """Return `word` in the case of `model`: upper, title or lower."""
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word
