"""Examples that an adapter learns from: queries with and without instructions, and the vectors they should have."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from instrerank.perturbations.constraints import Rule
from instrerank.perturbations.registry import resolve
from instrerank.training.vectors.payloads import inserted, payload
from instrerank.training.vectors.questions import phrases
from instrerank.training.vectors.recipe import AdapterRecipe
from instrerank.training.vectors.sources import Sources
from instrerank.training.vectors.teacher import Teacher, Vectors
from instrerank.training.vectors.wordings import instruction, neutral, said, topical
from instrerank.trec import Topic

BEST = 30
"""Passages nearest to a query, of which rules are drawn."""
TOPICAL = 0.15
"""How far a query moves towards a passage that it is said to be about, and away from one that it is not about."""
ASKED = 0.1
"""Share of queries that people asked."""
NOISE = (
    *("typo-phonetic", "typo-ocr", "punctuation-append", "punctuation-removal"),
    *("unicode-homoglyph", "unicode-full-width", "word-swap", "word-shuffle"),
)
"""Perturbations that a query is denoised of, beside `typo-mixed`; all other families stay unseen."""
BUFFER = 64
"""Examples whose instructions are swapped with each other, for a placebo."""
_APPLY = {name: resolve(name).for_topics([], 0) for name in ("typo-mixed", *NOISE)}


class Example(NamedTuple):
    """A query with an instruction ("" for none), the vector [d] that both should have, and its weight in the loss."""

    query: str
    instruction: str
    wanted: Vectors
    weight: float = 1.0


class Examples:
    """Draws examples without end."""

    def __init__(self, sources: Sources, teacher: Teacher, vectors: Vectors, recipe: AdapterRecipe, device: str):
        """Take what examples are made of.

        Args:
            sources: the texts.
            teacher: directions of rules over these passages.
            vectors: of the queries, by the base model, float32 [queries, d].
            recipe: which kinds are drawn.
            device: where the nearest passages are found.
        """
        self._sources, self._teacher, self._vectors, self._recipe = sources, teacher, vectors, recipe
        passages = torch.from_numpy(teacher.vectors).to(device)
        parts = [
            (torch.from_numpy(vectors[start : start + 2000]).to(device) @ passages.T).topk(BEST).indices.cpu()
            for start in range(0, len(vectors), 2000)
        ]
        self._nearest: NDArray[np.int64] = torch.cat(parts).numpy()

    def draw(self, rng: random.Random) -> Iterator[Example]:
        """Yield one after the other, of all kinds."""
        shares = dataclasses.asdict(self._recipe.draws)
        kinds = {
            "clean": self._clean,
            "noisy": self._noisy,
            "injected": self._injected,
            "rule": self._rule,
            "neutral": self._neutral,
            "topical": self._topical,
        }
        waiting: list[Example] = []
        while True:
            (kind,) = rng.choices(list(shares), list(shares.values()))
            drawn = kinds[kind](rng)
            if not self._recipe.swapped:
                yield from drawn
                continue
            waiting += drawn
            if len(waiting) >= BUFFER:
                shuffled = rng.sample(waiting, len(waiting))
                yield from (one._replace(instruction=shuffled[at - 1].instruction) for at, one in enumerate(shuffled))
                waiting = []

    def _clean(self, rng: random.Random) -> Iterator[Example]:
        at = self._any(rng)
        yield Example(self._sources.queries[at], "", self._vectors[at], self._recipe.clean_weight)

    def _noisy(self, rng: random.Random) -> Iterator[Example]:
        at = self._any(rng)
        yield Example(self._noise(self._sources.queries[at], rng), "", self._vectors[at])

    def _injected(self, rng: random.Random) -> Iterator[Example]:
        at = self._any(rng)
        query = self._inject(self._sources.queries[at], at, rng)
        yield Example(self._noise(query, rng) if rng.random() < 0.2 else query, "", self._vectors[at])

    def _rule(self, rng: random.Random) -> Iterator[Example]:
        at, way = self._any(rng), rng.random()
        opening, vector = "", self._vectors[at]
        if way < 0.1 and self._sources.neutral:
            at, opening = rng.choice(self._sources.neutral)
            vector = self._vectors[at]
        elif way < 0.35:
            opening, vector = self._about(at, rng)
        query = self._sources.queries[at]
        rules = self._rules(at, rng.choice([6, 10, 20, 30]), rng)
        for wanted in (True, False) if rules else ():
            rule = replace(rng.choice(rules), wanted=wanted)
            told = f"{opening} {said(rule, rng)}" if opening else instruction(rule, query, rng)
            move = self._recipe.move if wanted else -self._recipe.move
            yield Example(self._channel(at, rng), told, _unit(vector + move * self._teacher.direction(rule)))

    def _neutral(self, rng: random.Random) -> Iterator[Example]:
        if self._sources.neutral and rng.random() < 0.5:
            at, told = rng.choice(self._sources.neutral)
        else:
            at = self._any(rng)
            told = neutral(self._sources.queries[at], rng)
        yield Example(self._channel(at, rng), told, self._vectors[at])

    def _topical(self, rng: random.Random) -> Iterator[Example]:
        at = self._any(rng)
        told, vector = self._about(at, rng)
        if told:
            yield Example(self._channel(at, rng), told, vector)

    def _about(self, at: int, rng: random.Random) -> tuple[str, Vectors]:
        """Say what passages on a query are about, and most often what they are not about; "" where words lack."""
        near, far = self._nearest[at][rng.randrange(3)], self._nearest[at][rng.randrange(10, BEST)]
        wanted, unwanted = phrases(self._sources.passages[near]), phrases(self._sources.passages[far])
        if len(wanted) < 2 or len(unwanted) < 3:
            return "", self._vectors[at]
        not_about = rng.sample(unwanted, 3) if rng.random() < 0.8 else []
        move = self._teacher.vectors[near] - (self._teacher.vectors[far] if not_about else 0)
        told = topical(self._sources.queries[at], rng.sample(wanted, 2), not_about, rng)
        return told, _unit(self._vectors[at] + TOPICAL * move)

    def _channel(self, at: int, rng: random.Random) -> str:
        """Return a query as it is beside an instruction: mostly clean, else noisy, or with what not to obey."""
        query, way = self._sources.queries[at], rng.random() - self._recipe.injected_queries
        if way < 0:
            return self._inject(query, at, rng)
        return self._noise(query, rng) if way < self._recipe.noisy_queries else query

    def _noise(self, query: str, rng: random.Random) -> str:
        for _ in range(2 if rng.random() < 0.1 else 1):
            kind = "typo-mixed" if rng.random() < 0.75 else rng.choice(NOISE)
            query = _APPLY[kind](Topic("", query), rng).topic.text
        return query

    def _inject(self, query: str, at: int, rng: random.Random) -> str:
        """Put a payload, or an instruction, where only the query belongs."""
        rules = self._rules(at, 10, rng) if rng.random() < 0.3 else []
        if rules:
            rule = replace(rng.choice(rules), wanted=rng.random() < 0.5)
            return inserted(query, instruction(rule, query, rng) if rng.random() < 0.5 else said(rule, rng), rng)
        other = phrases(rng.choice(self._sources.passages))
        return inserted(query, payload(other if len(other) > 1 else ["something else", "the news"], rng), rng)

    def _rules(self, at: int, best: int, rng: random.Random) -> list[Rule]:
        return self._teacher.rules(self._sources.queries[at], self._nearest[at][:best], rng)

    def _any(self, rng: random.Random) -> int:
        asked = self._sources.asked
        return rng.randrange(asked if rng.random() < ASKED else len(self._sources.queries))


def _unit(vector: Vectors) -> Vectors:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
