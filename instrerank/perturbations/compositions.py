"""Compositions: several perturbations applied to one topic in turn, `typo-mixed+injection-task-front`.

A composition draws for each part what the part alone draws with the same seed, so that a query set of a composition
differs from that of a part by the other parts only, and interactions can be tested topic by topic.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from instrerank.errors import InputError
from instrerank.perturbations.base import Apply, Expectation, Field, Perturbation, Perturbed, generator
from instrerank.trec.types import Topic

_REPLACES: dict[str, Field] = {
    "llm-adversarial-instruction": "instruction",
    "llm-": "text",
    "recorded": "text",
    "instruction-none": "instruction",
    "instruction-generic": "instruction",
    "instruction-irrelevant": "instruction",
    "instruction-swapped": "instruction",
    "instruction-repeated-query": "instruction",
}
"""Perturbations that discard what the field held before, by the beginning of their names."""

_MOVES = ("instruction-before", "instruction-after")
"""Perturbations that empty the instruction field, so that nothing is left to change there."""


@dataclass(frozen=True)
class Composition(Perturbation):
    """Perturbations applied in turn, each to the result of the one before.

    `apply`, as searches use it, draws the parts from one generator; `for_topics` gives each part its own (see above).

    Attributes:
        parts: in the order of application.
    """

    parts: tuple[Perturbation, ...] = field(default=(), repr=False)

    def for_topics(self, topics: Sequence[Topic], seed: int) -> Apply:
        """Return the function that changes one of these topics; parts that use other topics see the clean ones."""
        parts = [(part.name, part.for_topics(topics, seed)) for part in self.parts]

        def apply(topic: Topic, rng: random.Random) -> Perturbed:
            return _in_turn(topic, [(change, generator(seed, name, topic.qid)) for name, change in parts])

        return apply

    @property
    def fields(self) -> frozenset[Field]:
        """The fields of a topic that the parts change."""
        return frozenset().union(*(part.fields for part in self.parts))


def compose(parts: Sequence[Perturbation]) -> Composition:
    """Return the composition of at least two perturbations.

    It expects what its parts expect: `invariance` if all do, the other effect if some expect one, and `ablation`, no
    expectation, if two expect different ones.

    Raises:
        InputError: a duplicate part, or one whose change a later part would discard.
    """
    _check(parts)
    expected = {part.expects for part in parts} - {"invariance"}
    expects: Expectation = "invariance" if not expected else expected.pop() if len(expected) == 1 else "ablation"
    changes: Field = "instruction" if any("instruction" in part.fields for part in parts) else "text"
    applied = [part.apply for part in parts if part.apply is not None]

    def apply(topic: Topic, rng: random.Random) -> Perturbed:
        return _in_turn(topic, [(change, random.Random(rng.getrandbits(64))) for change in applied])

    def over_topics(topics: Sequence[Topic], seed: int) -> Apply:
        return composition.for_topics(topics, seed)

    def details() -> dict[str, Any]:
        return {name: value for part in parts if part.details for name, value in part.details().items()}

    single = len(applied) == len(parts)
    composition = Composition(
        name="+".join(part.name for part in parts),
        family="+".join(dict.fromkeys(part.family for part in parts)),
        expects=expects,
        summary="; then: ".join(part.summary for part in parts),
        changes=changes,
        seeded=any(part.seeded for part in parts),
        needs_review=any(part.needs_review for part in parts),
        apply=apply if single else None,
        over_topics=None if single else over_topics,
        details=details if any(part.details for part in parts) else None,
        parts=tuple(parts),
    )
    return composition


def _in_turn(topic: Topic, changes: Iterable[tuple[Apply, random.Random]]) -> Perturbed:
    done = Perturbed(topic, topic)
    for change, rng in changes:
        further = change(done.topic, rng)
        done = Perturbed(topic, further.topic, done.edits + further.edits, done.reason or further.reason)
    return done if done.changed else Perturbed(topic, topic, reason=done.reason)


def _check(parts: Sequence[Perturbation]) -> None:
    """Reject compositions that would not do what their names say."""
    names = [part.name for part in parts]
    duplicates = [name for name, count in Counter(names).items() if count > 1]
    if duplicates:
        raise InputError(
            f"{'+'.join(names)}: {duplicates[0]} is a duplicate part; give each part once (typo-mixed:edits=2 for two "
            f"edits)"
        )
    for place, part in enumerate(parts):
        for later in parts[place + 1 :]:
            discarded = next((kept for name, kept in _REPLACES.items() if later.name.startswith(name)), None)
            if part.fields == {discarded}:
                raise InputError(
                    f"{'+'.join(names)}: {later.name} discards what {part.name} changed; put {later.name} first"
                )
        if part.name in _MOVES and any(each.fields == {"instruction"} for each in parts[place + 1 :]):
            raise InputError(
                f"{'+'.join(names)}: {part.name} moves the instruction into the query, so nothing is left to change "
                f"there; put {part.name} last"
            )
