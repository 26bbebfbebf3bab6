"""Passage texts that a Lucene index stores, and those that Pyserini's hits carry."""

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
            MissingPrerequisiteError: no Java that is new enough, no pyserini, or a prebuilt index out of reach.
        """
        self.name = str(index)
        self._java = open_index(locate_index(index))

    def __iter__(self) -> Iterator[Passage]:
        """Yield every passage, in the order of Lucene's own document numbers.

        Raises:
            InputError: the index stores no texts.
        """
        start_jvm()
        for number in range(self._java.get_total_num_docs()):
            document = self._java.doc(number)
            docid = document.get("id")
            yield Passage(docid, self._text(docid, document))

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those docids that are in the index.

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
                f"the index {self.name} stores no passage texts (no `raw`, no `contents`): give them with --corpus"
            )
        return text


def hit_text(hit: Any) -> str | None:
    """Return the passage text of one of Pyserini's hits or documents, or None where it carries none.

    Told apart by attribute: hits since Pyserini 0.24 have `lucene_document`, those before it `raw` and `contents`,
    a document of `LuceneSearcher.doc` has `raw()` and `contents()`, and a dense hit has nothing.
    """
    document = getattr(hit, "lucene_document", None)
    if document is not None and not callable(document):
        return stored_text(hit.docid, document.get("raw"), document.get("contents"))
    raw, contents = (
        value() if callable(value) else value for value in (getattr(hit, "raw", None), getattr(hit, "contents", None))
    )
    return stored_text(hit.docid() if callable(hit.docid) else hit.docid, raw, contents)


def stored_text(docid: str, raw: str | None, contents: str | None) -> str | None:
    """Return the text of a document's stored fields.

    `raw` is what was indexed: where it is a JSON object, its title and text; where it is not (TREC's documents), as
    it stands, unless the `contents` that Anserini made of it are stored too.
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
