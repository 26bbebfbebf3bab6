"""Queries made from passages: questions that a passage might answer."""

from __future__ import annotations

import random
import re

from instrerank.perturbations.words import is_eligible
from instrerank.training.vectors.wordings import FRAMES

_WORD = re.compile(r"[a-z][a-z'-]*[a-z]|\d[\d.,%]*|[^\sa-z\d]+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")


def phrases(text: str) -> list[str]:
    """Return the runs of one to three eligible words between stop words and punctuation (RAKE, Rose et al. 2010)."""
    found, run = [], []
    for word in [*_WORD.findall(text.lower()), "."]:
        if is_eligible(word) and word[0].isalpha():
            run.append(word)
            continue
        if 1 <= len(run) <= 3:
            found.append(" ".join(run))
        run = []
    return list(dict.fromkeys(found))


def question(text: str, rng: random.Random) -> str | None:
    """Return a query that a passage answers, or None if it has too few phrases."""
    known = phrases(text)
    if len(known) < 4:
        return None
    way = rng.random()
    if way < 0.2:  # words as they stand in a row
        words = text.lower().split()
        start = rng.randrange(max(1, len(words) - 4))
        words = [word.strip(".,;:!?()\"'") for word in words[start : start + rng.randint(3, 9)]]
        asked = " ".join(filter(None, words))
    else:
        a, b = rng.sample(known[: rng.choice([4, 8, 40])], 2)
        asked = FRAMES.fill(f"question: {'one phrase' if way < 0.5 else 'two phrases'}", rng, a=a, b=b)
    return asked if any(map(is_eligible, asked.split())) else None


def sentence(text: str, rng: random.Random) -> str | None:
    """Return a sentence of 6 to 40 words, with or without its final full stop, or None if the passage has none."""
    found = [each for each in _SENTENCE.split(" ".join(text.split())) if 6 <= len(each.split()) <= 40]
    if not found:
        return None
    one = rng.choice(found)
    return one.rstrip(".") if rng.random() < 0.5 else one
