"""Black-box attacks: a search, within a budget of edits, for the query that degrades an encoder's ranking most.

Passage vectors do not depend on the query, so each candidate query costs one encoding and one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from itertools import islice
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from instrerank.encoders import Encoder
from instrerank.encoders.late_interaction import LateInteraction
from instrerank.encoders.token_vectors import max_sims
from instrerank.errors import InputError
from instrerank.perturbations.base import Perturbation, Perturbed, generator
from instrerank.trec.types import Topic

Strategy = Literal["greedy", "beam", "worst"]

Vectors = NDArray[np.float32] | Sequence[NDArray[Any]]
"""Of n texts: [n, d], or of late interaction n arrays [tokens, d]."""

Objective = Callable[[str, Sequence[Sequence[str]]], Sequence[float]]
"""Maps (qid, rankings of docids, best first) to a value for each ranking, which the attack minimises."""


@dataclass(frozen=True)
class Budget:
    """The budget of an attack for each topic.

    Attributes:
        edits: maximum number of times the perturbation is applied, each time to the previous result.
        candidates: maximum number of changed queries to encode, including those for word importance.
        beam: number of queries that the strategy `beam` keeps after each edit.
    """

    edits: int = 1
    candidates: int = 200
    beam: int = 5

    def __post_init__(self) -> None:
        """Reject a budget that allows nothing.

        Raises:
            InputError: a value is less than 1.
        """
        if min(astuple(self)) < 1:
            raise InputError(f"`budget`: edits, candidates and beam must each be at least 1, got {self}")

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Parse a budget such as `edits=1,candidates=200,beam=5`; omitted values keep their defaults.

        Raises:
            InputError: an unknown key, or a value that is not an integer of at least 1.
        """
        given = dict(part.strip().partition("=")[::2] for part in text.split(","))
        if not given.keys() <= {each.name for each in fields(cls)} or not all(v.isdecimal() for v in given.values()):
            raise InputError(f"`budget` must be one or more of edits=N,candidates=N,beam=N, got {text!r}")
        return cls(**{key: int(value) for key, value in given.items()})


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


class Attacked(NamedTuple):
    """The worst query that an attack found for a topic.

    Attributes:
        perturbed: the query with its edits; unchanged if no candidate lowered the objective.
        clean: value of the objective for the clean query.
        worst: value of the objective for the worst query.
        candidates: number of changed queries encoded.
    """

    perturbed: Perturbed
    clean: float
    worst: float
    candidates: int


def rankings(target: Target, queries: Vectors) -> list[list[str]]:
    """Rank a target's candidates for m queries in trec_eval's order: by score, then docid, both descending."""
    columns = sorted(range(len(target.docids)), key=lambda at: target.docids[at], reverse=True)
    passages = rows_of(target.vectors, columns)
    if isinstance(passages, np.ndarray):
        # as in reranking: a float64 sum, so that a score does not depend on the other queries of the batch
        scores = (np.asarray(queries, np.float64) @ passages.T.astype(np.float64)).astype(np.float32)
    else:
        scores = np.stack([max_sims(passages, query) for query in queries])
    order = np.argsort(-scores, axis=1, kind="stable")
    docids = [target.docids[at] for at in columns]
    return [[docids[at] for at in row] for row in order.tolist()]


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
            strategy: `greedy` changes the most important words first, `beam` keeps the best few queries after each
            edit, `worst` takes the worst of random draws.
            budget: edits and candidates per topic.
            seed: seed of the random draws.

        Raises:
            InputError: an unknown strategy, or a perturbation that uses other topics.
        """
        if strategy not in get_args(Strategy):
            raise InputError(f"unknown `strategy` {strategy!r}. Available: {', '.join(get_args(Strategy))}")
        if len(perturbation.fields) > 1:
            raise InputError(
                f"{perturbation.name} changes query and instruction: attack one of them, with a `perturbation` of one"
            )
        if perturbation.apply is None:
            raise InputError(
                f"{perturbation.name} uses other topics, so it cannot attack a single topic: choose another "
                f"`perturbation`"
            )
        self.encoder, self.perturbation, self.objective = encoder, perturbation, objective
        self.change = perturbation.apply
        self.strategy, self.budget, self.seed = strategy, budget or Budget(), seed

    def __repr__(self) -> str:
        return (
            f"Attack({self.encoder.name!r}, {self.perturbation.name!r}, strategy={self.strategy!r}, "
            f"budget={self.budget}, seed={self.seed})"
        )

    def __call__(self, target: Target) -> Attacked:
        """Search for the worst query of one topic."""
        search = _Search(self, target)
        {"greedy": search.greedy, "beam": search.beam, "worst": search.worst_of_draws}[self.strategy]()
        return Attacked(search.worst, search.clean_value, search.worst_value, search.spent)


class _Search:
    """The state of the attack on one topic."""

    def __init__(self, attack: Attack, target: Target) -> None:
        self.attack, self.target, self.budget = attack, target, attack.budget
        self.start = Perturbed(target.topic, target.topic)
        self.spent = 0
        self.clean_value = self._values([target.topic])[0]
        self.worst, self.worst_value = self.start, self.clean_value
        self._drawn = 0

    @property
    def left(self) -> int:
        return self.budget.candidates - self.spent

    def worst_of_draws(self) -> None:
        self._try(list(islice(self._steps(self.start, self.budget.edits), self.left)))

    def beam(self) -> None:
        states = [self.start]
        for edit in range(self.budget.edits):
            each = max(1, self.left // (self.budget.edits - edit) // len(states))
            tried = self._try([step for state in states for step in islice(self._steps(state), each)])
            if not tried:
                return
            states = [state for _, state in tried[: self.budget.beam]]

    def greedy(self) -> None:
        state = self.start
        drops = self._word_importance()
        touched: set[int] = set()
        for edit in range(self.budget.edits):
            share = self.left // (self.budget.edits - edit)
            # a draw costs next to nothing, an encoding does: draw many, try those in the words that matter most
            pool = list(islice(self._steps(state), 5 * share))
            text = self._text(state.topic)
            words = {step.topic: _word_at(text, step.edits[-1].position) for step in pool}
            # every word once before any word again
            pool.sort(key=lambda step: (words[step.topic] in touched, -drops.get(words[step.topic], 0.0)))
            tried = self._try(pool[:share])
            if not tried:
                return
            state = tried[0][1]
            touched.add(words[state.topic])

    def _word_importance(self) -> dict[int, float]:
        """Return the drop of the objective without each word, by index (Jin et al. 2020, 1907.11932, section 2)."""
        words = self._text(self.target.topic).split()
        if len(words) < 2:
            return {}
        # a very long text must not use up the budget here
        indices = range(min(len(words), self.left // 2))
        field = self.attack.perturbation.changes
        without = [" ".join(words[:index] + words[index + 1 :]) for index in indices]
        self.spent += len(without)
        values = self._values([self.target.topic._replace(**{field: text}) for text in without])
        return {index: self.clean_value - value for index, value in zip(indices, values, strict=True)}

    def _text(self, topic: Topic) -> str:
        text: str = getattr(topic, self.attack.perturbation.changes)
        return text

    def _steps(self, state: Perturbed, edits: int = 1) -> Iterator[Perturbed]:
        """Yield distinct queries `edits` edits away from a state, until ten draws in a row yield nothing new."""
        perturbation = self.attack.perturbation
        seen = {state.topic, state.original}
        fruitless = 0
        while fruitless < 10:
            self._drawn += 1
            rng = generator(self.attack.seed, f"{perturbation.name} attack {self._drawn}", state.topic.qid)
            step = state
            for _ in range(edits):
                further = self.attack.change(step.topic, rng)
                step = Perturbed(state.original, further.topic, step.edits + further.edits)
            if step.topic in seen:
                fruitless += 1
                continue
            fruitless = 0
            seen.add(step.topic)
            yield step

    def _try(self, steps: Sequence[Perturbed]) -> list[tuple[float, Perturbed]]:
        """Encode and rank, keep the worst, and return (value, step), lowest value first, ties as drawn."""
        steps = list({step.topic: step for step in steps}.values())[: self.left]
        self.spent += len(steps)
        values = self._values([step.topic for step in steps]) if steps else []
        tried = sorted(zip(values, steps, strict=True), key=lambda pair: pair[0])
        if tried and tried[0][0] < self.worst_value:
            self.worst_value, self.worst = tried[0]
        return tried

    def _values(self, topics: Sequence[Topic]) -> Sequence[float]:
        encoded = self.attack.encoder.encode_queries(
            [topic.text for topic in topics], [topic.instruction for topic in topics]
        )
        return self.attack.objective(self.target.topic.qid, rankings(self.target, encoded.vectors))


def _word_at(text: str, position: int) -> int:
    """Return the index of the word that contains a position or ends there."""
    before = text[:position]
    return len(before.split()) - (bool(before) and not before[-1].isspace())
