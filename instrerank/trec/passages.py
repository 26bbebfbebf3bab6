"""Passages: record fields, passage files and the `PassageSource` interface."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

from instrerank.errors import InputError
from instrerank.files import parse_json, read_lines
from instrerank.trec.lines import json_texts, starts_json
from instrerank.trec.records import (
    DOCIDS,
    GLUED,
    QIDS,
    TEXTS,
    TITLES,
    columns_of,
    glued,
    header_of,
    is_id,
    looks_like_header,
    pick,
    shown,
    unfit_id,
)
from instrerank.trec.types import Passage

log = logging.getLogger(__name__)


class PassageSource(Protocol):
    """A source of passage texts: a file, a Lucene index or ir_datasets."""

    name: str

    def __iter__(self) -> Iterator[Passage]:
        """Yield every passage in the source."""
        ...

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of the docids found in the source; others are omitted."""
        ...


PassageRow = tuple[int, Passage]
"""One passage of a file, with the line on which it starts."""


def parse_passages(path: str | Path) -> Iterator[PassageRow]:
    """Stream the passages of a file in any of the formats of docs/formats.md.

    Raises:
        InputError: a line is not a passage, or its docid is not allowed in a run file; the message names the line.
    """
    lines = ((number, line) for number, line in read_lines(path) if line and not line.isspace())
    first = list(islice(lines, 1))
    if not first:
        return
    every = chain(first, lines)
    rows = _json_rows(every, path) if starts_json(first[0][1]) else _tsv_rows(first[0], every, path)
    for row in rows:
        docid = row[1][0]
        if not docid.isalnum() and (problem := unfit_id(docid)):
            raise InputError(f"{path}:{row[0]}: docid {docid!r:.60} {problem}")
        yield row


def _json_rows(lines: Iterator[tuple[int, str]], path: str | Path) -> Iterator[PassageRow]:
    layouts: dict[tuple[str, ...], tuple[str, str] | None] = {}
    file = str(path)
    for number, text in json_texts(lines, path):
        place = f"{file}:{number}"
        fields = parse_json(text, place)
        if type(fields) is dict:
            names = tuple(fields)
            if names not in layouts:
                layouts[names] = _untitled(names)
            if layout := layouts[names]:
                docid, body = fields[layout[0]], fields[layout[1]]
                if type(docid) is type(body) is str:
                    yield number, tuple.__new__(Passage, (docid, body))  # without a call of Python's
                    continue
        yield number, passage_of_fields(fields, place)


def _untitled(names: tuple[str, ...]) -> tuple[str, str] | None:
    """Return which fields are docid and text, if both are there and there is no title: most passages are like that."""
    docid, text = (next((name for name in known if name in names), None) for known in (DOCIDS, TEXTS))
    return (docid, text) if docid and text and not set(TITLES) & set(names) else None


def _tsv_rows(first: tuple[int, str], lines: Iterator[tuple[int, str]], path: str | Path) -> Iterator[PassageRow]:
    header = _header(first, path)
    if header:
        next(lines)
    for number, line in lines:
        if glued(line):
            raise InputError(f"{path}:{number}: {GLUED}")
        columns = columns_of(line, header is not None)
        if header is None and len(columns) == 2:
            yield number, Passage(columns[0], columns[1])
        elif header:
            place = f"{path}:{number}"
            if len(columns) != len(header):
                raise InputError(f"{place}: {len(columns)} tab-separated columns; the header row has {len(header)}")
            yield number, passage_of_fields(dict(zip(header, columns, strict=True)), place)
        elif len(columns) != 3:
            raise InputError(
                f'{path}:{number}: expected {{"id": …, "contents": …}} or docid<TAB>text or docid<TAB>title<TAB>text; '
                f"found {len(columns)} tab-separated columns"
            )
        else:
            yield number, Passage(columns[0], join_title(columns[1], text=columns[2]))


def _header(first: tuple[int, str], path: str | Path) -> list[str] | None:
    """Return the column names if the first row is a header.

    Raises:
    InputError: a header of another kind of file, or of unknown columns.
    """
    number, line = first
    columns = line.split("\t")
    header = header_of(columns, DOCIDS, TEXTS)
    if header:
        log.warning(f"{path}:{number}: read as a header row ({shown(header)}), not as a passage")
        return header
    comma = header_of(line.split(","), DOCIDS, TEXTS)
    if comma or looks_like_header(columns) or header_of(columns, QIDS, (*TITLES, "corpus-id", "query")):
        what = f"a header row of {'comma' if comma else 'tab'}-separated columns ({shown(comma or columns)})"
        raise InputError(
            f"{path}:{number}: {what}; expected tab-separated columns, one of {', '.join(DOCIDS)} and one of "
            f"{', '.join(TEXTS)}; rename the columns or delete the row"
        )
    return None


def passage_of_fields(fields: Any, place: str) -> Passage:
    """Make a passage from a JSON object with Pyserini's (`id`, `contents`) or BEIR's (`_id`, `title`, `text`) fields.

    Raises:
        InputError: not an object, or without docid or text; the message starts with `place`.
    """
    if not isinstance(fields, dict):
        raise InputError(f"{place}: expected a JSON object, found {type(fields).__name__} {fields!r:.40}")
    docid, text, title = pick(fields, DOCIDS), pick(fields, TEXTS), pick(fields, TITLES)
    if not is_id(docid) or not isinstance(text, str) or not isinstance(title, str | None):
        raise InputError(
            f"{place}: expected one of {', '.join(DOCIDS)} and one of {', '.join(TEXTS)}; found {shown(list(fields))}"
        )
    return Passage(str(docid), join_title(title or "", text=text))


def join_title(title: str = "", *, text: str) -> str:
    """Return title and text joined by a space (the passage in every template), or the text alone."""
    return f"{title} {text}" if title else text
