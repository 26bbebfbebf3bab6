"""Text appended to the query: an unrelated clause, the query again, another topic's query."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from instrerank.perturbations.registry import register
from instrerank.trec.types import Topic

DISTRACTORS = (
    "by the way it rained here all week",
    "my neighbour has just painted the fence",
    "asking while i wait for the bus",
    "also my phone battery is nearly empty",
    "the cat is asleep on the keyboard again",
    "we had soup for dinner last night",
    "unrelated but happy friday everyone",
    "sent from my new tablet",
)


@register("distractor-clause", family="concatenation", expects="invariance")
def distractor_clause(topic: Topic, rng: random.Random) -> str:
    """An unrelated clause appended."""
    return f"{topic.text}, {rng.choice(DISTRACTORS)}"


@register("repeated-query", family="concatenation", expects="invariance", seeded=False)
def repeated_query(topic: Topic, rng: random.Random, *, times: int = 2) -> str:
    """The query repeated, so that it occurs twice (or `times` times)."""
    return " ".join([topic.text] * times)


@register("other-query", family="concatenation", expects="invariance", over_topics=True)
def other_query(topics: Sequence[Topic], seed: int) -> Callable[[Topic, random.Random], str]:
    """The query of another topic appended."""
    texts = sorted({topic.text for topic in topics})

    def append(topic: Topic, rng: random.Random) -> str:
        if texts == [topic.text]:
            return topic.text
        other = topic.text
        while other == topic.text:
            other = rng.choice(texts)
        return f"{topic.text} {other}"

    return append
