"""The core types of the package. qids and docids are always strings: leading zeros are part of an id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Topic(NamedTuple):
    """A query with its id and, optionally, an instruction that narrows what is relevant."""

    qid: str
    text: str
    instruction: str = ""


class Passage(NamedTuple):
    """A passage of the collection; its title, if any, precedes the text, separated by a space."""

    docid: str
    text: str


class ScoredDoc(NamedTuple):
    """One row of a ranking."""

    docid: str
    score: float


@dataclass(frozen=True, repr=False)
class Run:
    """A ranking of documents for each query.

    Attributes:
        tag: name of the system, in the sixth column of a run file.
        rankings: documents by qid, best first.
    """

    tag: str
    rankings: Mapping[str, list[ScoredDoc]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return a summary of the size instead of all rankings."""
        return f"Run({self.tag!r}: {len(self.rankings)} topics, {sum(self.sizes.values())} documents)"

    @property
    def sizes(self) -> Mapping[str, int]:
        """The number of documents by qid."""
        known: Mapping[str, int] | None = getattr(self.rankings, "sizes", None)
        return {qid: len(ranking) for qid, ranking in self.rankings.items()} if known is None else known


Qrels = dict[str, dict[str, int]]
"""Grades by qid, then by docid."""
