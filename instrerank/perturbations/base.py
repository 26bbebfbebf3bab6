"""What a perturbation is: a named, seeded change of a topic that keeps its qid and logs every edit."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Literal, NamedTuple

from instrerank.trec.types import Topic

Expectation = Literal["invariance", "directional", "indifference", "ablation"]
"""What a perturbation should do to a ranking (docs/methods.md, Perturbations).

`invariance`: nothing; `directional`: move named documents; `indifference`: a wrong instruction should not beat
the query alone; `ablation`: no claim, a control to compare with.
"""

Field = Literal["text", "instruction"]
"""The field of a topic that an edit is made in: the query or the instruction."""


class Edit(NamedTuple):
    """One replacement.

    Attributes:
        kind: what was done, such as `swap` or `keyboard`.
        position: offset in code points, in the text as the edits before this one have left it.
        before: the text that is replaced ("" for an insertion).
        after: the text that replaces it ("" for a deletion).
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
    """A topic after its edits; made by `edited` or `rewritten`, so that the log always explains the text."""

    original: Topic
    topic: Topic
    edits: tuple[Edit, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether the query or the instruction differs from the original."""
        return self.topic != self.original


def edited(topic: Topic, edits: Iterable[Edit]) -> Perturbed:
    """Apply edits one after another and keep them as the log."""
    edits = tuple(edits)
    result = topic
    for edit in edits:
        result = edit.applied_to(result)
    return Perturbed(topic, result, edits)


def rewritten(topic: Topic, new: str, kind: str, field: Field = "text") -> Perturbed:
    """Replace a whole field; the log holds the one span in which old and new differ."""
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
"""(topics, seed) gives the function that changes one of these topics."""


@dataclass(frozen=True)
class Description:
    """What is known of a perturbation before its options are set.

    Attributes:
        name: used in file names and seeds: letters, digits, hyphens.
        family: the perturbations it is reported with, such as `typo`.
        expects: its class of expectation.
        summary: one line for lists.
        changes: the field it changes.
        seeded: False when every seed gives the same text, so that one draw is enough.
        needs_review: True when the meaning may be lost: only variants that people accepted may be scored as
            invariance (docs/methods.md, Perturbations).
        needs: what it needs beyond topics, such as a file; `all` leaves out those that need anything.
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
    """A way to change topics, with what it is expected to do to a ranking; exactly one of its functions is set.

    Attributes:
        apply: changes one topic, drawing from the generator it is given and from nothing else; None for a perturbation
            that looks at the other topics too.
        over_topics: for those: (topics, seed) gives the function that changes one of these topics.
    """

    apply: Apply | None = field(default=None, repr=False)
    over_topics: OverTopics | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse a perturbation that cannot be applied, or in two ways.

        Raises:
            ValueError: neither or both of `apply` and `over_topics`.
        """
        if (self.apply is None) == (self.over_topics is None):
            raise ValueError(f"{self.name}: give either `apply` or `over_topics`")

    def for_topics(self, topics: Sequence[Topic], seed: int) -> Apply:
        """Return the function that changes one of these topics."""
        if self.apply is not None:
            return self.apply
        assert self.over_topics is not None
        return self.over_topics(topics, seed)


def generator(seed: int, perturbation: str, qid: str) -> random.Random:
    """Return the generator of one (seed, perturbation, qid): the same on any machine, in any order of topics."""
    key = json.dumps([seed, perturbation, qid]).encode()
    return random.Random(int.from_bytes(hashlib.sha256(key).digest()))
