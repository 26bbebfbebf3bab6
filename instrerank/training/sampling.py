"""Making batches from rows: distinct texts to encode, and marginal negative sampling for the terms I and Q.

All pairs of B queries with B instructions would cost B² encodings. Marginal negative sampling (InF-Embed, arXiv
2505.21439) draws y − 1 other instructions for each query: at most B·y encodings, and fewer if a drawn pair is also
another triple's own, which is usually true for the poisoned sibling.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrerank.errors import InputError
from instrerank.perturbations import generator
from instrerank.perturbations.typos import typo_mixed
from instrerank.training.objectives import DRAWN_TERMS, Objective
from instrerank.trec import Topic

if TYPE_CHECKING:
    from instrerank.training.rows import Row, Triple

Pair = tuple[str, str]
"""(query, instruction); the instruction may be ""."""


@dataclass(frozen=True)
class Batch:
    """Distinct texts of a batch, and which of them each of the b anchors (triples of the batch) uses.

    Attributes:
        rows: names of the rows.
        pairs: distinct query-side texts: the anchors' own, drawn ones and misspelt ones.
        passages: distinct passages: positives and hard negatives.
        queries: index into `pairs` of each anchor, b.
        positives: index into `passages` of each anchor, b.
        hard_negatives: indices into `passages`.
        drawn: indices into `pairs` of each anchor's negatives, by term: b lists of at most y − 1.
        misspelt: index into `pairs` of each anchor with a typo in its query (its own if it has none); empty without
        self-teaching.
    """

    rows: tuple[str, ...]
    pairs: list[Pair]
    passages: list[str]
    queries: list[int]
    positives: list[int]
    hard_negatives: list[int]
    drawn: dict[str, list[list[int]]]
    misspelt: list[int]


@dataclass(frozen=True)
class Sampler:
    """Makes batches; draws depend only on the seed and the rows of a batch, so that a resumed run draws the same.

    Attributes:
        objective: determines which terms need drawn negatives, and whether misspelt queries are added or replace
        the clean ones.
        instructions_per_query: y, including the positive; None: half the triples of the batch, as in the paper.
        typos: probability of a typo in a query (one edit in one word, `typo-mixed`). With self-teaching, the query is
        kept and its misspelling learns from it; without, the misspelling replaces it (Zhuang & Zuccon 2021,
        arXiv 2108.12139).
        seed: seed of all draws.
    """

    objective: Objective
    instructions_per_query: int | None = None
    typos: float = 0.0
    seed: int = 42

    def __post_init__(self) -> None:
        if self.instructions_per_query is not None and self.instructions_per_query < 2:
            raise InputError(
                "`instructions_per_query` must be at least 2, including the query's own; got "
                f"{self.instructions_per_query}"
            )
        if not 0 <= self.typos <= 1:
            raise InputError(f"`typos` must be between 0 and 1, got {self.typos:g}")
        if self.objective.self_teaching and not self.typos:
            raise InputError("`self_teaching` needs misspelt queries: set `typos` as well, for example to 0.5")

    def check(self, rows: Sequence[Row], batch_size: int) -> None:
        """Reject a number of instructions that no batch of these rows has.

        Raises:
            InputError: more instructions per query than any batch of these rows can have.
        """
        wanted = self.instructions_per_query
        counts = sorted((len({triple.instruction for triple in row.triples}) for row in rows), reverse=True)
        available = sum(counts[:batch_size])
        if wanted is not None and "I" in self.objective.terms and wanted > available:
            raise InputError(
                f"{wanted} instructions per query, but a batch of {batch_size} rows has at most {available} distinct "
                "ones: increase `batch_size` or decrease `instructions_per_query`"
            )

    def __call__(self, rows: Sequence[Row]) -> Batch:
        """Make one batch of whole rows."""
        key = json.dumps([row.name for row in rows])
        misspell = self._misspeller(key)
        teaching = bool(self.objective.self_teaching)
        triples = [
            (at, triple if teaching else triple._replace(query=misspell(triple.query)))
            for at, row in enumerate(rows)
            for triple in row.triples
        ]
        pairs: dict[Pair, int] = {}
        passages: dict[str, int] = {}

        def index(pair: Pair) -> int:
            return pairs.setdefault(pair, len(pairs))

        queries = [index((triple.query, triple.instruction)) for _, triple in triples]
        positives = [passages.setdefault(triple.passage, len(passages)) for _, triple in triples]
        hard = dict.fromkeys(text for _, triple in triples for text in triple.negatives)
        hard_negatives = [passages.setdefault(text, len(passages)) for text in hard]
        drawn: dict[str, list[list[int]]] = {
            term: [
                [index(pair) for pair in negatives]
                for negatives in _draw(term, triples, self._size(triples), generator(self.seed, term, key))
            ]
            for term in self.objective.terms
            if term in DRAWN_TERMS
        }
        misspelt = [index((misspell(each.query), each.instruction)) for _, each in triples] if teaching else []
        return Batch(
            rows=tuple(row.name for row in rows),
            pairs=list(pairs),
            passages=list(passages),
            queries=queries,
            positives=positives,
            hard_negatives=hard_negatives,
            drawn=drawn,
            misspelt=misspelt,
        )

    def _size(self, triples: Sequence[object]) -> int:
        return self.instructions_per_query or max(2, len(triples) // 2)

    def _misspeller(self, key: str) -> Callable[[str], str]:
        def misspell(query: str) -> str:
            # by query, so that a row's triples, which share it, keep sharing it
            rng = generator(self.seed, f"typo {query}", key)
            if rng.random() >= self.typos:
                return query
            return typo_mixed(Topic("query", query), rng).topic.text

        return misspell


def _draw(term: str, triples: Sequence[tuple[int, Triple]], size: int, rng: random.Random) -> list[list[Pair]]:
    """Draw each anchor's negatives without replacement, first from its row, then from the whole batch.

    Texts that some triple pairs with the anchor's passage are not negatives, nor are empty texts.
    """
    varied, kept = (1, 0) if term == "I" else (0, 1)
    pairs: list[Pair] = [(triple.query, triple.instruction) for _, triple in triples]
    distinct = dict.fromkeys(pair[varied] for pair in pairs)
    siblings: dict[int, dict[str, None]] = {}
    relevant: dict[tuple[str, str], set[str]] = {}
    for (row, triple), pair in zip(triples, pairs, strict=True):
        siblings.setdefault(row, {})[pair[varied]] = None
        relevant.setdefault((pair[kept], triple.passage), {""}).add(pair[varied])
    drawn: list[list[Pair]] = []
    for (row, triple), pair in zip(triples, pairs, strict=True):
        never = relevant[pair[kept], triple.passage]
        near = [text for text in siblings[row] if text not in never]
        far = [text for text in distinct if text not in never and text not in siblings[row]]
        texts = (
            (rng.sample(near, len(near)) + rng.sample(far, min(len(far), size)))[: size - 1] if pair[varied] else []
        )
        drawn.append([(pair[0], text) if term == "I" else (text, pair[1]) for text in texts])
    return drawn
