"""Passage texts stored in a Lucene index or in Pyserini's hits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from instrerank.anserini.indexes import locate_index, open_index
from instrerank.anserini.jvm import start_jvm
from instrerank.errors import InputError
from instrerank.trec import Passage
from instrerank.trec.passages import passage_of_fields


class IndexPassages:
    """The passages of a Lucene index that stores their texts (`--storeRaw` or `--storeContents`)."""

    def __init__(self, index: str | Path) -> None:
        """Open an index by its folder or by Pyserini's name for a prebuilt one.

        Raises:
            InputError: no such index.
            MissingPrerequisiteError: no recent enough Java, no pyserini, or a prebuilt index is not downloadable.
        """
        self.name = str(index)
        self._java = open_index(locate_index(index))

    def __iter__(self) -> Iterator[Passage]:
        """Yield every passage, in the order of Lucene's internal document numbers.

        Raises:
            InputError: the index stores no texts.
        """
        start_jvm()
        for number in range(self._java.get_total_num_docs()):
            document = self._java.doc(number)
            docid = document.get("id")
            yield Passage(docid, self._text(docid, document))

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of the docids found in the index.

        Raises:
            InputError: the index stores no texts.
        """
        start_jvm()
        texts = {}
        for docid in docids:
            document = self._java.doc(docid)
            if document is not None:
                texts[docid] = self._text(docid, document)
        return texts

    def _text(self, docid: str, document: Any) -> str:
        text = stored_text(docid, document.get("raw"), document.get("contents"))
        if text is None:
            raise InputError(
                f"the index {self.name} stores no passage texts (neither raw nor contents): give them as `corpus`"
            )
        return text


def hit_text(hit: Any) -> str | None:
    """Return the passage text of one of Pyserini's hits or documents, or None if it has none.

    They differ in their attributes: hits have `lucene_document` since Pyserini 0.24, and `raw` and `contents` before;
    a document from `LuceneSearcher.doc` has `raw()` and `contents()`; a dense hit has no text.
    """
    document = getattr(hit, "lucene_document", None)
    if document is not None and not callable(document):
        return stored_text(hit.docid, document.get("raw"), document.get("contents"))
    raw, contents = (
        value() if callable(value) else value for value in (getattr(hit, "raw", None), getattr(hit, "contents", None))
    )
    return stored_text(hit.docid() if callable(hit.docid) else hit.docid, raw, contents)


def stored_text(docid: str, raw: str | None, contents: str | None) -> str | None:
    """Return the text of a document from its stored fields.

    `raw` is what was indexed: if it is a JSON object, its title and text are used; if not (TREC documents), `raw`
    itself, unless the `contents` that Anserini made from it are stored too.
    """
    if raw is None:
        return contents
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        return passage_of_fields({**fields, "docid": docid}, f"stored document {docid}").text
    return raw if contents is None else contents
