"""Passages as records: the fields that collections use, and where passages come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from instrerank.errors import InputError
from instrerank.trec.types import Passage

_DOCID_FIELDS = ("docid", "id", "_id")
_TEXT_FIELDS = ("contents", "text", "passage", "segment", "body", "content")


class PassageSource(Protocol):
    """Where passage texts come from: a file, a Lucene index, ir_datasets."""

    name: str

    def __iter__(self) -> Iterator[Passage]:
        """Yield every passage of the source."""
        ...

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those docids that the source has; the others are simply absent."""
        ...


def passage_of_fields(fields: dict[str, object], place: str) -> Passage:
    """Make a passage of a JSON object in Pyserini's (`id`, `contents`) or BEIR's (`_id`, `title`, `text`) fields.

    Raises:
        InputError: a docid or a text is not there; `place` says where the object stands.
    """
    docid = next((fields[name] for name in _DOCID_FIELDS if name in fields), None)
    text = next((fields[name] for name in _TEXT_FIELDS if name in fields), None)
    title = fields.get("title") or ""
    if not isinstance(docid, str | int) or not isinstance(text, str) or not isinstance(title, str):
        raise InputError(
            f"{place}: wanted one of {', '.join(_DOCID_FIELDS)} and one of {', '.join(_TEXT_FIELDS)}; "
            f"found {', '.join(fields) or 'nothing'}"
        )
    return Passage(str(docid), join_title(title, text=text))


def join_title(title: str = "", *, text: str) -> str:
    """Return title, blank, text (the passage of every template), or the text alone."""
    return f"{title} {text}" if title else text
