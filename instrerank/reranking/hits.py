"""Pyserini hits of every version, recognised by their attributes rather than by Java types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instrerank.anserini import hit_text as stored_hit_text

Hit = Any
"""An object with `docid` and `score` (a Pyserini hit), or a pair (docid, text)."""


class RerankedHit:
    """A hit with a new score; all other attributes are those of the original hit.

    So `lucene_docid`, `lucene_document`, `contents` and `raw` are available if the original hit has them, and
    Pyserini's writers work, since they use `docid` and `score`.
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
    """Return the first-stage score of a hit; a pair has none and gets 1/rank, as in an MS MARCO run."""
    return 1 / rank if _is_pair(hit) else float(hit.score)


def hit_text(hit: Hit) -> str:
    """Return the passage text of a hit or of a (docid, text) pair, "" if it has none (FAISS hits)."""
    if _is_pair(hit):
        return str(hit[1])
    return stored_hit_text(hit) or ""


def _is_pair(hit: Hit) -> bool:
    return isinstance(hit, Sequence) and len(hit) == 2 and not hasattr(hit, "docid")
