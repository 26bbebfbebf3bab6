"""Black-box attacks on passages: the change within a budget of edits that lifts a passage into the top k.

The attacker sees scores, not weights (the black-box setting of PRADA, Wu et al. 2022, 2204.01321). A passage is
changed for its own topic, or one trigger is put before the passages of all topics (universal triggers: Wallace et al.
2019, 1908.07125). The query and the other candidates stay: a changed passage costs one encoding and one dot product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instrerank.encoders import Encoder
from instrerank.encoders.late_interaction import LateInteraction
from instrerank.encoders.similarity import cosines
from instrerank.errors import InputError
from instrerank.perturbations.attack import Target, Vectors, rows_of, scores
from instrerank.perturbations.searching import REJECTED, Attacked, Search, together
from instrerank.trec.types import Topic

_TOGETHER = 64
"""Searches that run side by side; the same on every machine, as the last bits of vectors depend on the batch."""

_DECIMALS = 5
"""Of values, so that last bits do not decide which of two changes is better."""


@dataclass(frozen=True)
class Outsider:
    """A candidate below the top k of its topic.

    Attributes:
        qid: its topic.
        docid: its docid.
        text: its clean text.
        query: vector of the topic, [1, d] (late interaction: one array [tokens, d]).
        bar: score of the candidate at rank k.
    """

    qid: str
    docid: str
    text: str
    query: Vectors = field(repr=False)
    bar: float


@dataclass(frozen=True)
class Aim:
    """What one search changes.

    Attributes:
        outsiders: the passage to promote, or all passages that a trigger must promote.
        universal: whether the changed text is a trigger before each passage; otherwise it is the passage.
    """

    outsiders: Sequence[Outsider]
    universal: bool = False

    @property
    def start(self) -> Topic:
        """The text to change, as a topic: the passage, or the empty trigger."""
        return Topic("", "") if self.universal else Topic(self.outsiders[0].qid, self.outsiders[0].text)

    def texts(self, changed: Topic) -> list[str]:
        """Return the text of each outsider after a change."""
        return [triggered(changed.text, each.text) for each in self.outsiders] if self.universal else [changed.text]


def triggered(trigger: str, text: str) -> str:
    """Return a passage after a trigger."""
    return f"{trigger} {text}" if trigger else text


def bar_of(target: Target, query: Vectors, ranking: Sequence[str], top: int) -> float:
    """Return the score of the candidate at rank `top` of a target's ranking for a query (see `Outsider`)."""
    at = list(target.docids).index(ranking[top - 1])
    return float(scores(query, rows_of(target.vectors, [at]))[0, 0])


class Promotion:
    """Promotes passages by searches that run side by side."""

    def __init__(
        self, encoder: Encoder | LateInteraction, *, floor: float = 0.8, judge: Encoder | None = None
    ) -> None:
        """Set up the attack.

        Args:
            encoder: the encoder to attack.
            floor: least cosine of a changed passage with the clean one (for a trigger: mean over its passages); -1
                allows every change.
            judge: encoder that measures the cosine; None: the encoder under attack.

        Raises:
            InputError: a floor that is not a cosine, or late interaction without a judge.
        """
        if not -1 <= floor < 1:
            raise InputError(f"`floor` must be a cosine of at least -1 and less than 1, got {floor:g}")
        if floor > -1 and isinstance(judge or encoder, LateInteraction):
            raise InputError(
                f"{encoder.name} has no single vector of a passage to measure `floor` with: give `judge`, a bi-encoder"
            )
        # the passages of a search are needed once, and do not belong in a store
        self.encoder = _unstored(encoder)
        self.judge = None if judge is None else _unstored(judge)
        self.floor = floor

    def __call__(self, searches: Sequence[Search], aims: Sequence[Aim]) -> Iterator[tuple[int, Attacked]]:
        """Run one search for each aim, and yield what it found with its number, as it ends.

        The value that searches lower is how far the passage's score is below rank k, 0 once it has passed (for a
        trigger: the mean over its passages).
        """
        for first in range(0, len(aims), _TOGETHER):
            some = aims[first : first + _TOGETHER]
            running = [searches[first + at](aim.start) for at, aim in enumerate(some)]
            for number, found in together(running, partial(self._answer, some, self._clean(some))):
                yield first + number, found

    def similarity(self, clean: Sequence[str], changed: Sequence[str]) -> NDArray[np.float64] | None:
        """Return the cosine of each changed passage with its clean one; None if nothing measures it."""
        judge: Any = self.judge or self.encoder
        if isinstance(judge, LateInteraction):
            return None
        return cosines(judge.encode_passages(clean).vectors, judge.encode_passages(changed).vectors)

    def _clean(self, aims: Sequence[Aim]) -> list[NDArray[np.float32]]:
        """Return for each aim the judge's vectors of its clean passages; empty if there is no floor."""
        if self.floor == -1:
            return [np.empty((0, 0), np.float32) for _ in aims]
        judge: Any = self.judge or self.encoder
        vectors = judge.encode_passages([each.text for aim in aims for each in aim.outsiders]).vectors
        ends = list(accumulate((len(aim.outsiders) for aim in aims), initial=0))
        return [vectors[start:end] for start, end in pairwise(ends)]

    def _answer(
        self, aims: Sequence[Aim], clean: Sequence[NDArray[np.float32]], asked: Mapping[int, list[Topic]]
    ) -> dict[int, list[float]]:
        texts = {number: [aims[number].texts(topic) for topic in topics] for number, topics in asked.items()}
        flat = [text for each in texts.values() for changed in each for text in changed]
        vectors = self.encoder.encode_passages(flat).vectors
        judged: Any = vectors if self.judge is None else self.judge.encode_passages(flat).vectors
        values: dict[int, list[float]] = {}
        start = 0
        for number, changes in texts.items():
            outsiders = aims[number].outsiders
            stop = start + len(changes) * len(outsiders)
            below, cosine = np.zeros(len(changes)), np.zeros(len(changes))
            for at, each in enumerate(outsiders):
                rows = range(start + at, stop, len(outsiders))
                below += np.maximum(each.bar - scores(each.query, rows_of(vectors, rows))[0], 0.0)
                if self.floor > -1:
                    cosine += cosines(clean[number][at : at + 1], judged[rows.start : rows.stop : rows.step])
            lost = (self.floor > -1) & (cosine / len(outsiders) < self.floor)
            values[number] = np.where(lost, REJECTED, np.round(below / len(outsiders), _DECIMALS)).tolist()
            start = stop
        return values


def _unstored(encoder: Any) -> Any:
    """Return an encoder that shares everything but keeps no vectors."""
    if encoder.store is None:
        return encoder
    bare = copy(encoder)
    bare.store = None
    return bare
