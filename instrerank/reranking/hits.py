"""Pyserini's hits, of every version, in and out: known by their attributes, never by their Java types."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from instrerank.collections.passages import passage_of_fields
from instrerank.errors import InputError

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
    """Return the passage text of a hit, or "" where it bears none (FAISS hits, indexes without stored fields).

    A (docid, text) pair gives its text; a hit of pyserini 0.24 and later that of its `lucene_document`; one of
    earlier versions that of its `raw` or `contents`.
    """
    if _is_pair(hit):
        return str(hit[1])
    document = getattr(hit, "lucene_document", None)
    if document is not None:
        return stored_text(document.get("raw"), document.get("contents"))
    return stored_text(getattr(hit, "raw", None), getattr(hit, "contents", None))


def stored_text(raw: str | None, contents: str | None) -> str:
    """Return the passage text of a Lucene document's stored fields, "" where it has none.

    `raw` is the line that was indexed, JSON in most indexes: its title and text are joined as those of a corpus
    file are; a `raw` that is no such JSON stands for itself.
    """
    if raw and raw.lstrip().startswith("{"):
        try:
            return passage_of_fields({"id": "", **json.loads(raw)}, "stored field raw").text
        except (json.JSONDecodeError, InputError):
            pass
    return contents or raw or ""


def _is_pair(hit: Hit) -> bool:
    return isinstance(hit, Sequence) and len(hit) == 2 and not hasattr(hit, "docid")
