"""The core types of the package. qids and docids are always strings: leading zeros are part of an id."""

from __future__ import annotations

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
    rankings: dict[str, list[ScoredDoc]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return a summary of the size instead of all rankings."""
        documents = sum(map(len, self.rankings.values()))
        return f"Run({self.tag!r}: {len(self.rankings)} topics, {documents} documents)"


Qrels = dict[str, dict[str, int]]
"""Grades by qid, then by docid."""
