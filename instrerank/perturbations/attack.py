"""Black-box attacks on queries: the query within a budget of edits that degrades an encoder's ranking most.

Passage vectors do not depend on the query, so each candidate query costs one encoding and one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instrerank.encoders import Encoder
from instrerank.encoders.late_interaction import LateInteraction
from instrerank.encoders.token_vectors import max_sims
from instrerank.perturbations.base import Perturbation
from instrerank.perturbations.searching import Attacked, Budget, Search, Strategy, together
from instrerank.trec.types import Topic

Vectors = NDArray[np.float32] | Sequence[NDArray[Any]]
"""Of n texts: [n, d], or of late interaction n arrays [tokens, d]."""

Objective = Callable[[str, Sequence[Sequence[str]]], Sequence[float]]
"""Maps (qid, rankings of docids, best first) to a value for each ranking, which the attack minimises."""


@dataclass(frozen=True)
class Target:
    """A topic and its candidates.

    Attributes:
        topic: the clean topic.
        docids: its n candidates.
        vectors: the vectors of the n candidates.
    """

    topic: Topic
    docids: Sequence[str] = field(repr=False)
    vectors: Vectors = field(repr=False)


def rankings(target: Target, queries: Vectors) -> list[list[str]]:
    """Rank a target's candidates for m queries in trec_eval's order: by score, then docid, both descending."""
    columns = sorted(range(len(target.docids)), key=lambda at: target.docids[at], reverse=True)
    order = np.argsort(-scores(queries, rows_of(target.vectors, columns)), axis=1, kind="stable")
    docids = [target.docids[at] for at in columns]
    return [[docids[at] for at in row] for row in order.tolist()]


def scores(queries: Vectors, passages: Vectors) -> NDArray[np.float32]:
    """Return the scores of m queries with n passages, float32 [m, n]."""
    if isinstance(passages, np.ndarray):
        # as in reranking: a float64 sum, so that a score does not depend on the other queries of the batch
        return (np.asarray(queries, np.float64) @ passages.T.astype(np.float64)).astype(np.float32)
    return np.stack([max_sims(passages, query) for query in queries])


def rows_of(vectors: Vectors, rows: Sequence[int]) -> Vectors:
    """Return the vectors of some texts, in the given order."""
    return vectors[np.asarray(rows, np.int64)] if isinstance(vectors, np.ndarray) else [vectors[row] for row in rows]


def least_overlap(clean: Mapping[str, Sequence[str]], depth: int = 10) -> Objective:
    """Return an objective that needs no qrels: average overlap with the clean ranking.

    Average overlap at depth k is the mean over d = 1..k of the fraction that two top-d lists share (Webber,
    Moffat & Zobel 2010, section 3); it is 1 for equal top-k lists.

    Args:
        clean: ranking of the clean query by qid.
        depth: k.
    """

    def value(qid: str, found: Sequence[Sequence[str]]) -> list[float]:
        reference = clean[qid][:depth]
        return [_average_overlap(reference, ranking[:depth]) for ranking in found]

    return value


def _average_overlap(one: Sequence[str], other: Sequence[str]) -> float:
    shares = [len(set(one[:d]) & set(other[:d])) / d for d in range(1, len(one) + 1)]
    return sum(shares) / len(shares)


class Attack:
    """A search for the worst query, topic by topic."""

    def __init__(
        self,
        encoder: Encoder | LateInteraction,
        perturbation: Perturbation,
        objective: Objective,
        *,
        strategy: Strategy = "greedy",
        budget: Budget | None = None,
        seed: int = 1,
    ) -> None:
        """Set up an attack.

        Args:
            encoder: the encoder to attack.
            perturbation: generates the candidates by changing queries or instructions.
            objective: the value to minimise.
            strategy: see `Search`.
            budget: edits and candidates per topic.
            seed: seed of the random draws.

        Raises:
            InputError: an unknown strategy, or a perturbation that uses other topics.
        """
        self.encoder, self.objective = encoder, objective
        self.search = Search(perturbation, strategy, budget or Budget(), seed)

    def __repr__(self) -> str:
        search = self.search
        return (
            f"Attack({self.encoder.name!r}, {search.perturbation.name!r}, strategy={search.strategy!r}, "
            f"budget={search.budget!r}, seed={search.seed})"
        )

    def __call__(self, target: Target) -> Attacked:
        """Search for the worst query of one topic."""

        def values(asked: Mapping[int, list[Topic]]) -> dict[int, Sequence[float]]:
            [topics] = asked.values()
            encoded = self.encoder.encode_queries(
                [topic.text for topic in topics], [topic.instruction for topic in topics]
            )
            return {0: self.objective(target.topic.qid, rankings(target, encoded.vectors))}

        [(_, found)] = together([self.search(target.topic)], values)
        return found
