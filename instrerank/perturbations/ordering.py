"""Word order and word deletion. A word here is a run of non-whitespace characters, punctuation included."""

from __future__ import annotations

import random

from instrerank.errors import InputError
from instrerank.perturbations.base import Edit, Perturbed, edited
from instrerank.perturbations.registry import register
from instrerank.perturbations.words import TOKENS
from instrerank.trec.types import Topic


@register("word-swap", family="ordering", expects="invariance")
def word_swap(topic: Topic, rng: random.Random) -> Perturbed:
    """Two random words swapped (Penha 2022, RoDR)."""
    tokens = list(TOKENS.finditer(topic.text))
    for first in rng.sample(tokens, len(tokens)):
        others = [token for token in tokens if token[0] != first[0]]
        if others:
            left, right = sorted((first, rng.choice(others)), key=lambda token: token.start())
            start, end = left.start(), right.end()
            between = topic.text[left.end() : right.start()]
            swapped = right[0] + between + left[0]
            return edited(topic, [Edit("word-swap", start, topic.text[start:end], swapped)])
    return Perturbed(topic, topic)


@register("word-shuffle", family="ordering", expects="invariance")
def word_shuffle(topic: Topic, rng: random.Random) -> str:
    """All words in a random order that differs from the original."""
    words = topic.text.split()
    if len(set(words)) < 2:
        return topic.text
    shuffled = words
    while shuffled == words:
        shuffled = rng.sample(words, len(words))
    return " ".join(shuffled)


@register("word-deletion", family="deletion", expects="invariance", needs_review=True)
def word_deletion(topic: Topic, rng: random.Random, *, percent: float = 0.0) -> str:
    """One random word removed, or `percent` of the words but at least one; one word always remains (Luo 2023)."""
    if not 0 <= percent < 100:
        raise InputError(f"`percent` must be at least 0 and less than 100, got {percent:g}")
    words = topic.text.split()
    count = min(max(1, round(len(words) * percent / 100)), len(words) - 1)
    dropped = set(rng.sample(range(len(words)), count))
    return " ".join(word for place, word in enumerate(words) if place not in dropped)
