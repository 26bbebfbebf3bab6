"""Examples that the adapter learns from: queries with and without instructions, and the vectors they should have."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from queries import phrases
from teacher import Teacher, Vectors
from wordings import instruction, neutral, said, topical

from instrerank.collections import load_topics, open_passages
from instrerank.files import read_lines
from instrerank.perturbations import generator
from instrerank.perturbations.typos import typo_mixed
from instrerank.trec import Topic

DEVELOPMENT = 250
"""InstructIR topics kept apart."""
BEST = 30
"""Passages nearest to a query, of which rules are drawn."""
TOPICAL = 0.15
"""How far a query moves towards a passage that it is said to be about, and away from one that it is not about."""
REAL = 0.1
"""Share of queries that people asked."""


class Example(NamedTuple):
    """A query with an instruction, the number of that query, and the vector [d] that both together should have."""

    query: str
    instruction: str
    at: int
    wanted: Vectors


class Draws(NamedTuple):
    """What is drawn.

    Attributes:
        penalty: what a rule changes in the cosine of a passage that satisfies it.
        shares: how many of a kind are drawn; a rule gives two examples, it and one that forbids.
    """

    penalty: float
    shares: Mapping[str, float]


class Examples:
    """Draws examples without end.

    Attributes:
        nearest: passages nearest to each query, int64 [queries, BEST].
    """

    def __init__(
        self,
        queries: Sequence[str],
        real: int,
        stories: Sequence[tuple[int, str]],
        texts: Sequence[str],
        teacher: Teacher,
        vectors: Vectors,
        draws: Draws,
        device: str = "cpu",
    ):
        """Take what examples are made of.

        Args:
            queries: those that people asked first, then those made of passages.
            real: how many people asked.
            stories: InstructIR's instructions with the numbers of their queries.
            texts: of the passages.
            teacher: of rules.
            vectors: of the queries, by the base model, float32 [queries, d].
            draws: kinds of examples.
            device: where the nearest passages are found.
        """
        self._queries, self._real, self._stories, self._texts, self._teacher = queries, real, stories, texts, teacher
        self._vectors, self._draws = vectors, draws
        passages = torch.from_numpy(teacher.vectors).to(device)
        parts = [(part.to(device) @ passages.T).topk(BEST).indices.cpu() for part in torch.tensor(vectors).split(2000)]
        self.nearest: NDArray[np.int64] = torch.cat(parts).numpy()

    def draw(self, rng: random.Random) -> Iterator[Example]:
        """Yield one after the other, of all kinds."""
        kinds, weights = list(self._draws.shares), list(self._draws.shares.values())
        while True:
            (kind,) = rng.choices(kinds, weights)
            yield from getattr(self, f"_{kind}")(rng)

    def _misspelt(self, rng: random.Random) -> Iterator[Example]:
        at = self._any(rng)
        yield Example(_misspell(self._queries[at], rng), "", at, self._vectors[at])

    def _clean(self, rng: random.Random) -> Iterator[Example]:
        at = self._any(rng)
        yield Example(self._queries[at], "", at, self._vectors[at])

    def _rule(self, rng: random.Random) -> Iterator[Example]:
        at, way = self._any(rng), rng.random()
        opening, vector = "", self._vectors[at]
        if way < 0.1:
            at, opening = rng.choice(self._stories)
            vector = self._vectors[at]
        elif way < 0.35:
            opening, vector = self._about(at, rng)
        query = self._queries[at]
        rules = self._teacher.rules(query, self.nearest[at][: rng.choice([6, 10, 20, 30])], rng)
        for wanted in (True, False) if rules else ():
            rule = replace(rng.choice(rules), wanted=wanted)
            told = f"{opening} {said(rule, rng)}" if opening else instruction(rule, query, rng)
            penalty = self._draws.penalty if wanted else -self._draws.penalty
            moved = vector + penalty * self._teacher.direction(rule)
            yield Example(_perhaps(query, rng), told, at, _unit(moved))

    def _neutral(self, rng: random.Random) -> Iterator[Example]:
        at, told = rng.choice(self._stories)
        if rng.random() < 0.5:
            at = self._any(rng)
            told = neutral(self._queries[at], rng)
        yield Example(_perhaps(self._queries[at], rng), told, at, self._vectors[at])

    def _topical(self, rng: random.Random) -> Iterator[Example]:
        at = self._any(rng)
        told, vector = self._about(at, rng)
        if told:
            yield Example(_perhaps(self._queries[at], rng), told, at, vector)

    def _about(self, at: int, rng: random.Random) -> tuple[str, Vectors]:
        """Say what passages on a query are about, and most often what they are not about; "" where words lack."""
        near, far = self.nearest[at][rng.randrange(3)], self.nearest[at][rng.randrange(10, BEST)]
        wanted, unwanted = phrases(self._texts[near]), phrases(self._texts[far])
        if len(wanted) < 2 or len(unwanted) < 3:
            return "", self._vectors[at]
        not_about = rng.sample(unwanted, 3) if rng.random() < 0.8 else []
        move = self._teacher.vectors[near] - (self._teacher.vectors[far] if not_about else 0)
        told = topical(self._queries[at], rng.sample(wanted, 2), not_about, rng)
        return told, _unit(self._vectors[at] + TOPICAL * move)

    def _any(self, rng: random.Random) -> int:
        return rng.randrange(self._real if rng.random() < REAL else len(self._queries))


def _unit(vector: Vectors) -> Vectors:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _perhaps(query: str, rng: random.Random) -> str:
    return _misspell(query, rng) if rng.random() < 0.2 else query


def _misspell(query: str, rng: random.Random) -> str:
    return typo_mixed(Topic("", query), rng).topic.text


def read_passages(data: Path) -> list[str]:
    """Return the passages of `pool/` and `dl22/` without those that TREC 2019's runs have."""
    kept_apart = {passage.docid for passage in open_passages(data / "dl19" / "passages.jsonl.gz")}
    texts = [each.text for each in open_passages(data / "pool" / "passages.jsonl.gz") if each.docid not in kept_apart]
    texts += [each.text for each in open_passages(data / "dl22" / "passages.jsonl.gz")]
    return list(dict.fromkeys(texts))


def read_queries(data: Path) -> tuple[list[Topic], list[str], list[tuple[int, str]]]:
    """Return InstructIR's topics kept apart, the other queries, and InstructIR's instructions for these."""
    topics = load_topics(data / "instructir" / "mini.topics.tsv")
    topics = generator(1, "split", "").sample(topics, len(topics))
    training = [*topics[DEVELOPMENT:], *load_topics(data / "dl22" / "topics.tsv")]
    number = {topic.text: at for at, topic in enumerate(training)}
    told = [json.loads(line) for _, line in read_lines(data / "instructir" / "instructions.jsonl.gz")]
    stories = [(number[each["query"]], each["instruction"]) for each in told if each["query"] in number]
    return topics[:DEVELOPMENT], [topic.text for topic in training], stories
