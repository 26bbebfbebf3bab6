"""The search of all attacks: within a budget, for the change of a text that lowers a value most.

What is attacked does not matter here: a search asks for the values of changed texts, and whoever runs it answers.
Many searches run side by side, so that the texts of all of them are encoded in one batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from itertools import islice
from typing import Literal, NamedTuple, TypeVar, get_args

from instrerank.errors import InputError
from instrerank.perturbations.base import Perturbation, Perturbed, generator
from instrerank.trec.types import Topic

Strategy = Literal["greedy", "beam", "worst"]

T = TypeVar("T")

Asking = Generator[list[Topic], Sequence[float], T]
"""Yields changed topics, is sent the value of each, and returns T."""

REJECTED = math.inf
"""The value of a change that is not allowed, such as one that loses the meaning."""


@dataclass(frozen=True)
class Budget:
    """The budget of an attack for each topic.

    Attributes:
        edits: maximum number of times the perturbation is applied, each time to the previous result.
        candidates: maximum number of changed texts to encode, including those for word importance.
        beam: number of texts that the strategy `beam` keeps after each edit.
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

    def __str__(self) -> str:
        return ",".join(f"{each.name}={getattr(self, each.name)}" for each in fields(self))


class Attacked(NamedTuple):
    """The worst change that an attack found for a text.

    Attributes:
        perturbed: the text with its edits; unchanged if no candidate lowered the value.
        clean: value of the clean text.
        worst: value of the worst change.
        candidates: number of changed texts that were valued.
        rejected: number of those that were not allowed.
    """

    perturbed: Perturbed
    clean: float
    worst: float
    candidates: int
    rejected: int = 0


@dataclass(frozen=True)
class Search:
    """How an attack searches.

    Attributes:
        perturbation: generates the candidates by changing a topic's text or instruction.
        strategy: `greedy` changes the most important words first, `beam` keeps the best few texts after each edit,
            `worst` takes the worst of random draws.
        budget: edits and candidates.
        seed: seed of the random draws.
        goal: value at which the search stops.
    """

    perturbation: Perturbation
    strategy: Strategy = "greedy"
    budget: Budget = field(default_factory=Budget)
    seed: int = 1
    goal: float = -math.inf

    def __post_init__(self) -> None:
        """Check that the search is possible.

        Raises:
            InputError: an unknown strategy, or a perturbation that uses other topics.
        """
        if self.strategy not in get_args(Strategy):
            raise InputError(f"unknown `strategy` {self.strategy!r}. Available: {', '.join(get_args(Strategy))}")
        if len(self.perturbation.fields) > 1:
            raise InputError(
                f"{self.perturbation.name} changes query and instruction: attack one of them, with a `perturbation` "
                "of one"
            )
        if self.perturbation.apply is None:
            raise InputError(
                f"{self.perturbation.name} uses other topics, so it cannot attack a single topic: choose another "
                f"`perturbation`"
            )

    def __call__(self, topic: Topic) -> Asking[Attacked]:
        """Search from a topic; see `together`."""
        state = _State(self, topic)
        [state.clean_value] = [state.worst_value] = yield [topic]
        yield from {"greedy": state.greedy, "beam": state.beam, "worst": state.worst_of_draws}[self.strategy]()
        return Attacked(state.worst, state.clean_value, state.worst_value, state.spent, state.rejected)


def together(
    searches: Sequence[Asking[T]], answer: Callable[[Mapping[int, list[Topic]]], Mapping[int, Sequence[float]]]
) -> Iterator[tuple[int, T]]:
    """Run searches side by side, and yield each with its number as it ends.

    Args:
        searches: the searches.
        answer: maps what each unfinished search asks for, by its number, to the values.
    """
    asked = {number: next(search) for number, search in enumerate(searches)}
    while asked:
        values, pending = answer(asked), asked
        asked = {}
        for number in pending:
            try:
                asked[number] = searches[number].send(values[number])
            except StopIteration as end:
                yield number, end.value


class _State:
    """The state of one search."""

    def __init__(self, search: Search, topic: Topic) -> None:
        self.perturbation, self.budget, self.seed, self.goal = (
            search.perturbation,
            search.budget,
            search.seed,
            search.goal,
        )
        self.start = self.worst = Perturbed(topic, topic)
        self.clean_value = self.worst_value = math.nan
        self.spent = self.rejected = self.drawn = 0

    @property
    def left(self) -> int:
        return self.budget.candidates - self.spent

    def worst_of_draws(self) -> Asking[None]:
        yield from self._try(list(islice(self._steps(self.start, self.budget.edits), self.left)))

    def beam(self) -> Asking[None]:
        states = [self.start]
        for edit in range(self.budget.edits):
            each = max(1, self.left // (self.budget.edits - edit) // len(states))
            tried = yield from self._try([step for state in states for step in islice(self._steps(state), each)])
            if not tried:
                return
            states = tried[: self.budget.beam]

    def greedy(self) -> Asking[None]:
        state = self.start
        drops = yield from self._word_importance()
        touched: set[int] = set()
        for edit in range(self.budget.edits):
            share = max(1, self.left // (self.budget.edits - edit))
            # a draw costs next to nothing, an encoding does: draw many, try those in the words that matter most
            pool = list(islice(self._steps(state), 5 * share))
            text = self._text(state.topic)
            words = {step.topic: _word_at(text, step.edits[-1].position) for step in pool}
            # every word once before any word again
            pool.sort(key=lambda step: (words[step.topic] in touched, -drops.get(words[step.topic], 0.0)))
            tried = yield from self._try(pool[:share])
            if not tried:
                return
            state = tried[0]
            touched.add(words[state.topic])

    def _word_importance(self) -> Asking[dict[int, float]]:
        """Return the drop of the value without each word, by index (Jin et al. 2020, 1907.11932, section 2)."""
        words = self._text(self.start.topic).split()
        if len(words) < 2:
            return {}
        # a very long text must not use up the budget here
        indices = range(min(len(words), self.left // 2))
        without = [" ".join(words[:index] + words[index + 1 :]) for index in indices]
        if not without:
            return {}
        self.spent += len(without)
        values = yield [self.start.topic._replace(**{self.perturbation.changes: text}) for text in without]
        return {index: self.clean_value - value for index, value in zip(indices, values, strict=True)}

    def _text(self, topic: Topic) -> str:
        text: str = getattr(topic, self.perturbation.changes)
        return text

    def _steps(self, state: Perturbed, edits: int = 1) -> Iterator[Perturbed]:
        """Yield distinct topics `edits` edits away from a state, until ten draws in a row yield nothing new."""
        change = self.perturbation.apply
        assert change is not None
        seen = {state.topic, state.original}
        fruitless = 0
        while fruitless < 10:
            self.drawn += 1
            rng = generator(self.seed, f"{self.perturbation.name} attack {self.drawn}", state.topic.qid)
            step = state
            for _ in range(edits):
                further = change(step.topic, rng)
                step = Perturbed(state.original, further.topic, step.edits + further.edits)
            if step.topic in seen:
                fruitless += 1
                continue
            fruitless = 0
            seen.add(step.topic)
            yield step

    def _try(self, steps: Sequence[Perturbed]) -> Asking[list[Perturbed]]:
        """Ask for values, keep the worst, and return what to go on from: lowest value first, ties as drawn."""
        steps = list({step.topic: step for step in steps}.values())[: self.left]
        if not steps:
            return []
        self.spent += len(steps)
        values = yield [step.topic for step in steps]
        allowed = [pair for pair in zip(values, steps, strict=True) if pair[0] != REJECTED]
        self.rejected += len(steps) - len(allowed)
        tried = sorted(allowed, key=lambda pair: pair[0])
        if tried and tried[0][0] < self.worst_value:
            self.worst_value, self.worst = tried[0]
        return [] if self.worst_value <= self.goal else [step for _, step in tried]


def _word_at(text: str, position: int) -> int:
    """Return the index of the word that contains a position or ends there."""
    before = text[:position]
    return len(before.split()) - (bool(before) and not before[-1].isspace())
