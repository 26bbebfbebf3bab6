"""The words of the field as types. qids and docids are strings, always: leading zeros are part of an id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Topic(NamedTuple):
    """A query with its id and, where there is one, the instruction that narrows what is relevant to it."""

    qid: str
    text: str
    instruction: str = ""


class Passage(NamedTuple):
    """A text of the collection; a title, where there is one, stands before the text with a blank between."""

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
        tag: name of the system, the sixth column of a run file.
        rankings: documents by qid, best first.
    """

    tag: str
    rankings: dict[str, list[ScoredDoc]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return the size; the rankings are too many to show."""
        documents = sum(map(len, self.rankings.values()))
        return f"Run({self.tag!r}: {len(self.rankings)} topics, {documents} documents)"


Qrels = dict[str, dict[str, int]]
"""Grade by docid, by qid."""
