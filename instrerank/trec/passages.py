"""Passages as records: the fields that collections use, passage files, and where passages come from."""

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
    """Where passage texts come from: a file, a Lucene index, ir_datasets."""

    name: str

    def __iter__(self) -> Iterator[Passage]:
        """Yield every passage of the source."""
        ...

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those docids that the source has; the others are simply absent."""
        ...


PassageRow = tuple[int, Passage]
"""One passage of a file, with the line on which it begins."""


def parse_passages(path: str | Path) -> Iterator[PassageRow]:
    """Yield the passages of a file, read as a stream, in any of the forms of docs/formats.md.

    Raises:
        InputError: names the line that is not a passage, or whose docid cannot stand in a run file.
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
    for number, text in json_texts(lines, path):
        place = f"{path}:{number}"
        yield number, passage_of_fields(parse_json(text, place), place)


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
                f'{path}:{number}: wanted {{"id": …, "contents": …}} or docid<TAB>text or docid<TAB>title<TAB>text; '
                f"found {len(columns)} tab-separated columns"
            )
        else:
            yield number, Passage(columns[0], join_title(columns[1], text=columns[2]))


def _header(first: tuple[int, str], path: str | Path) -> list[str] | None:
    """Return the names of the columns, if the first row is a header.

    Raises:
        InputError: it is one of something else, or of unknown columns.
    """
    number, line = first
    columns = line.split("\t")
    header = header_of(columns, DOCIDS, TEXTS)
    if header:
        log.warning(f"{path}:{number}: a header row ({shown(header)}), not a passage")
        return header
    comma = header_of(line.split(","), DOCIDS, TEXTS)
    if comma or looks_like_header(columns) or header_of(columns, QIDS, (*TITLES, "corpus-id", "query")):
        what = f"a header row of {'comma' if comma else 'tab'}-separated columns ({shown(comma or columns)})"
        raise InputError(
            f"{path}:{number}: {what}; wanted tabs between columns, one of {', '.join(DOCIDS)} and one of "
            f"{', '.join(TEXTS)}; rename the columns, or delete the row"
        )
    return None


def passage_of_fields(fields: Any, place: str) -> Passage:
    """Make a passage of a JSON object in Pyserini's (`id`, `contents`) or BEIR's (`_id`, `title`, `text`) fields.

    Raises:
        InputError: no object, or its docid or text is missing; `place` says where it stands.
    """
    if not isinstance(fields, dict):
        raise InputError(f"{place}: wanted a JSON object, found {type(fields).__name__} {fields!r:.40}")
    docid, text, title = pick(fields, DOCIDS), pick(fields, TEXTS), pick(fields, TITLES)
    if not is_id(docid) or not isinstance(text, str) or not isinstance(title, str | None):
        raise InputError(
            f"{place}: wanted one of {', '.join(DOCIDS)} and one of {', '.join(TEXTS)}; found {shown(list(fields))}"
        )
    return Passage(str(docid), join_title(title or "", text=text))


def join_title(title: str = "", *, text: str) -> str:
    """Return title, blank, text (the passage of every template), or the text alone."""
    return f"{title} {text}" if title else text
