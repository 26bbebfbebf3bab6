"""Perturbations: named, seeded changes of a topic that keep its qid and log every edit."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal, NamedTuple

from instrerank.trec.types import Topic

Expectation = Literal["invariance", "directional", "indifference", "ablation"]
"""The expected effect of a perturbation on a ranking (docs/methods.md, Perturbations).

`invariance`: none; `directional`: specific documents move; `indifference`: a wrong instruction should not beat
the query alone; `ablation`: no expectation, a control for comparison.
"""

Field = Literal["text", "instruction"]
"""The field of a topic that an edit changes: the query or the instruction."""


class Edit(NamedTuple):
    """One replacement.

    Attributes:
        kind: type of edit, such as `swap` or `keyboard`.
        position: offset in code points, in the text after all earlier edits.
        before: the replaced text ("" for an insertion).
        after: the replacement ("" for a deletion).
        field: the query (`text`) or the `instruction`.
    """

    kind: str
    position: int
    before: str
    after: str
    field: Field = "text"

    def applied_to(self, topic: Topic) -> Topic:
        """Return the edited topic.

        Raises:
            ValueError: `before` is not the text at `position`.
        """
        text: str = getattr(topic, self.field)
        end = self.position + len(self.before)
        if self.position < 0 or text[self.position : end] != self.before:
            raise ValueError(f"{self} does not fit the {self.field} of topic {topic.qid}: {text!r}")
        edited = text[: self.position] + self.after + text[end:]
        return topic._replace(text=edited) if self.field == "text" else topic._replace(instruction=edited)


@dataclass(frozen=True, slots=True)
class Perturbed:
    """A topic after its edits; created by `edited` or `rewritten`, so that the log always matches the text.

    Attributes:
        original: the clean topic.
        topic: the perturbed one.
        edits: what was changed, in order.
        reason: why it was not changed, in one word, if the perturbation says so.
    """

    original: Topic
    topic: Topic
    edits: tuple[Edit, ...] = ()
    reason: str = ""

    @property
    def changed(self) -> bool:
        """Whether the query or the instruction differs from the original."""
        return self.topic != self.original


def edited(topic: Topic, edits: Iterable[Edit]) -> Perturbed:
    """Apply edits in order and keep them as the log."""
    edits = tuple(edits)
    result = topic
    for edit in edits:
        result = edit.applied_to(result)
    return Perturbed(topic, result, edits)


def rewritten(topic: Topic, new: str, kind: str, field: Field = "text") -> Perturbed:
    """Replace a whole field; the log records the one span where old and new text differ."""
    old: str = getattr(topic, field)
    if new == old:
        return Perturbed(topic, topic)
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    return edited(topic, [Edit(kind, start, before, after, field)])


def _common(one: str, other: str) -> int:
    """Return the length of the common prefix."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


Apply = Callable[[Topic, random.Random], Perturbed]


OverTopics = Callable[[Sequence[Topic], int], Apply]
"""Maps (topics, seed) to the function that changes one of these topics."""


@dataclass(frozen=True)
class Description:
    """Properties of a perturbation that do not depend on its options.

    Attributes:
        name: used in file names and seeds: letters, digits, hyphens.
        family: group of perturbations it is reported with, such as `typo`.
        expects: its expected effect.
        summary: one-line description for lists.
        changes: the field it changes.
        seeded: False if every seed yields the same text, so that one draw is enough.
        needs_review: True if the meaning may change: only variants accepted by human reviewers should be scored as
        invariance (docs/methods.md, Perturbations).
        needs: what it requires besides topics, such as a file; `all` skips perturbations that require anything.
    """

    name: str
    family: str
    expects: Expectation
    summary: str = ""
    changes: Field = "text"
    seeded: bool = True
    needs_review: bool = False
    needs: str = ""


@dataclass(frozen=True)
class Perturbation(Description):
    """A change of topics with its expected effect on rankings; exactly one of the two functions is set.

    Attributes:
        apply: changes one topic, with the given generator as the only source of randomness; None for a perturbation
            that also uses the other topics.
            over_topics: for such a perturbation, maps (topics, seed) to the function that changes one of these topics.
        details: returns what else determines the query sets, for their records.
    """

    apply: Apply | None = field(default=None, repr=False)
    over_topics: OverTopics | None = field(default=None, repr=False)
    details: Callable[[], Mapping[str, Any]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Reject a perturbation with no function or with two.

        Raises:
            ValueError: neither or both of `apply` and `over_topics`.
        """
        if (self.apply is None) == (self.over_topics is None):
            raise ValueError(f"{self.name}: give either `apply` or `over_topics`")

    @property
    def fields(self) -> frozenset[Field]:
        """The fields of a topic that it changes: several only for a composition."""
        return frozenset([self.changes])

    def for_topics(self, topics: Sequence[Topic], seed: int) -> Apply:
        """Return the function that changes one of these topics."""
        if self.apply is not None:
            return self.apply
        assert self.over_topics is not None
        return self.over_topics(topics, seed)


def generator(seed: int, perturbation: str, qid: str) -> random.Random:
    """Return the generator for (seed, perturbation, qid): the same on any machine and in any order of topics."""
    key = json.dumps([seed, perturbation, qid]).encode()
    return random.Random(int.from_bytes(hashlib.sha256(key).digest()))
