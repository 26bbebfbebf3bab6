"""Black-box attacks: search, within a budget of edits, for the query that hurts an encoder's ranking most.

The passage vectors do not depend on the query, so that a candidate costs one query encoding and one product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from instrerank.encoders import Encoder
from instrerank.errors import InputError
from instrerank.perturbations.base import Perturbation, Perturbed, generator
from instrerank.trec.types import Topic

Strategy = Literal["greedy", "beam", "worst"]

Objective = Callable[[str, Sequence[Sequence[str]]], Sequence[float]]
"""(qid, rankings of docids, best first) gives a value for each ranking; the attack seeks the lowest."""


class Budget(NamedTuple):
    """What an attack may spend on a topic.

    Attributes:
        edits: how often the perturbation may be applied, one upon the other.
        candidates: how many changed queries may be encoded, those for word importance included.
        beam: how many states the strategy `beam` keeps.
    """

    edits: int = 1
    candidates: int = 200
    beam: int = 5


@dataclass(frozen=True)
class Target:
    """A topic and what it ranks.

    Attributes:
        topic: the clean topic.
        docids: its n candidates.
        vectors: their vectors, float32 [n, d].
    """

    topic: Topic
    docids: Sequence[str]
    vectors: NDArray[np.float32]


class Attacked(NamedTuple):
    """The worst query found for a topic.

    Attributes:
        perturbed: the query with its edits; unchanged where nothing lowered the objective.
        clean: value of the objective for the clean query.
        worst: its value for the query found.
        candidates: how many changed queries were encoded.
    """

    perturbed: Perturbed
    clean: float
    worst: float
    candidates: int


def rankings(target: Target, queries: NDArray[np.float32]) -> list[list[str]]:
    """Rank a target's candidates for m queries [m, d], as trec_eval orders: score, then docid, both descending."""
    columns = np.array(sorted(range(len(target.docids)), key=lambda at: target.docids[at], reverse=True))
    # as in reranking: a float64 sum, so that a score does not depend on the queries beside it
    scores = (queries.astype(np.float64) @ target.vectors[columns].T.astype(np.float64)).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")
    docids = [target.docids[at] for at in columns]
    return [[docids[at] for at in row] for row in order.tolist()]


def least_overlap(clean: Mapping[str, Sequence[str]], depth: int = 10) -> Objective:
    """Return the objective that needs no qrels: average overlap with the clean ranking.

    Average overlap at depth k is the mean over d = 1..k of the share that two top-d lists have in common (Webber,
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
        encoder: Encoder,
        perturbation: Perturbation,
        objective: Objective,
        *,
        strategy: Strategy = "greedy",
        budget: Budget | None = None,
        seed: int = 1,
    ) -> None:
        """Take what an attack needs.

        Args:
            encoder: the victim.
            perturbation: makes the candidates, of queries or of instructions.
            objective: what is lowered.
            strategy: `greedy` spends the candidates on the words that matter most, `beam` keeps the best few states
                after each edit, `worst` takes the worst of so many draws.
            budget: edits and candidates for each topic.
            seed: draws the candidates.

        Raises:
            InputError: an unknown strategy, an empty budget, or a perturbation that looks at other topics.
        """
        budget = budget or Budget()
        if strategy not in get_args(Strategy):
            raise InputError(f"unknown strategy {strategy!r}; there is {', '.join(get_args(Strategy))}")
        if min(budget) < 1:
            raise InputError(f"{budget}: edits, candidates and beam are at least 1 each")
        if perturbation.over_topics:
            raise InputError(f"{perturbation.name} looks at other topics and cannot be searched")
        self.encoder, self.perturbation, self.objective = encoder, perturbation, objective
        self.strategy, self.budget, self.seed = strategy, budget, seed

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
        """Return by index how much the objective drops without a word (Jin et al. 2020, 1907.11932, section 2)."""
        words = self._text(self.target.topic).split()
        if len(words) < 2:
            return {}
        # a very long text may not eat up the budget here
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
        """Yield distinct steps of so many edits from a state; ends when ten draws in a row bring nothing new."""
        perturbation = self.attack.perturbation
        seen = {state.topic, state.original}
        fruitless = 0
        while fruitless < 10:
            self._drawn += 1
            rng = generator(self.attack.seed, f"{perturbation.name} attack {self._drawn}", state.topic.qid)
            step = state
            for _ in range(edits):
                further = perturbation.apply(step.topic, rng)
                step = Perturbed(state.original, further.topic, step.edits + further.edits)
            if step.topic in seen:
                fruitless += 1
                continue
            fruitless = 0
            seen.add(step.topic)
            yield step

    def _try(self, steps: Sequence[Perturbed]) -> list[tuple[float, Perturbed]]:
        """Encode and rank; remember the worst; return (value, step), the lowest value first, ties as drawn."""
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
    """Return the index of the word that a position is in, or at the end of."""
    before = text[:position]
    return len(before.split()) - (bool(before) and not before[-1].isspace())
