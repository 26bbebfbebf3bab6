"""Pyserini's hits, of every version, in and out: known by their attributes, never by their Java types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instrerank.anserini import hit_text as stored_hit_text

Hit = Any
"""An object with `docid` and `score` (Pyserini's hit), or a pair (docid, text)."""


class RerankedHit:
    """A hit with a new score; every other attribute is that of the hit it came from.

    So `lucene_docid`, `lucene_document`, `contents` and `raw` are there where the input had them, and what
    Pyserini writes of a hit (`docid`, `score`) is written of this one.
    """

    def __init__(self, hit: Hit, docid: str, score: float) -> None:
        self._hit = hit
        self.docid = docid
        self.score = score

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the original hit."""
        if name == "_hit":
            raise AttributeError(name)
        return getattr(self._hit, name)

    def __repr__(self) -> str:
        return f"RerankedHit(docid={self.docid!r}, score={self.score!r})"


def hit_docid(hit: Hit) -> str:
    """Return the docid of a hit or of a (docid, text) pair."""
    return str(hit[0] if _is_pair(hit) else hit.docid)


def hit_score(hit: Hit, rank: int) -> float:
    """Return the first-stage score of a hit; a pair has none, and takes 1/rank as an MS MARCO run does."""
    return 1 / rank if _is_pair(hit) else float(hit.score)


def hit_text(hit: Hit) -> str:
    """Return the passage text of a hit or of a (docid, text) pair, "" where it bears none (FAISS hits)."""
    if _is_pair(hit):
        return str(hit[1])
    return stored_hit_text(hit) or ""


def _is_pair(hit: Hit) -> bool:
    return isinstance(hit, Sequence) and len(hit) == 2 and not hasattr(hit, "docid")
