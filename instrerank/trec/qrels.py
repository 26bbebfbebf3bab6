"""Relevance judgements: `qid 0 docid grade`, or columns named by a header row, as in BEIR's files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from instrerank.files import whole_file
from instrerank.trec.numbers import whole_number
from instrerank.trec.problems import Problems
from instrerank.trec.runs import read_columns
from instrerank.trec.types import Qrels


class QrelsRow(NamedTuple):
    """One judgement, with its line number."""

    line: int
    qid: str
    docid: str
    grade: int


def read_qrels(path: str | Path) -> Qrels:
    """Read judgements by qid and docid, in file order.

    Raises:
        InputError: lists the invalid lines; a duplicate judgement is an error, as it would inflate the ideal ranking.
    """
    problems = Problems(path)
    qrels: Qrels = {}
    for row in parse_qrels(path, problems):
        qrels.setdefault(row.qid, {})[row.docid] = row.grade
    problems.raise_errors()
    return qrels


def write_qrels(path: str | Path, qrels: Qrels) -> None:
    """Write judgements in the order given."""
    with whole_file(path) as file:
        for qid, grades in qrels.items():
            for docid, grade in grades.items():
                file.write(f"{qid} 0 {docid} {grade}\n")


_HEADERS = (
    ("query-id", "query_id", "qid", "q_id", "topic", "topic_id"),
    ("corpus-id", "corpus_id", "doc-id", "doc_id", "docid", "docno", "doc"),
    ("score", "relevance", "grade", "label", "rel"),
)
"""Column names of qid, docid and grade in BEIR, ir_datasets, PyTerrier and mteb."""


class _Columns(NamedTuple):
    """The number of columns, and which of them are qid, docid and grade."""

    width: int
    qid: int
    docid: int
    grade: int
    names: str


_TREC = _Columns(4, 0, 2, 3, "qid 0 docid grade")


def header_columns(row: Sequence[str]) -> _Columns | None:
    """Return the column layout if this row is a header, such as BEIR's `query-id corpus-id score`."""
    lower = [column.lower() for column in row]
    places = [next((lower.index(name) for name in names if name in lower), None) for names in _HEADERS]
    qid, docid, grade = places
    if qid is None or docid is None or grade is None:
        return None
    return _Columns(len(row), qid, docid, grade, " ".join(row))


def parse_qrels(path: str | Path, problems: Problems) -> Iterator[QrelsRow]:
    """Yield the valid rows of a qrels file and record problems in the others."""
    lines: dict[tuple[str, str], tuple[int, str]] = {}
    layout: _Columns | None = None
    for number, columns in read_columns(path, problems):
        if layout is None:
            layout = header_columns(columns)
            if layout:
                continue
            layout = _TREC
        if len(columns) != layout.width:
            problems.add(number, _wrong_width(columns, layout))
            continue
        qid, docid, grade_text = columns[layout.qid], columns[layout.docid], columns[layout.grade]
        grade = whole_number(grade_text)
        if grade is None or abs(grade) >= 2**63:
            problems.add(number, f"grade {grade_text!r:.40} is not a whole number")
            continue
        iteration = columns[1] if layout is _TREC else ""
        first, of_first = lines.setdefault((qid, docid), (number, iteration))
        if of_first != iteration:
            problems.add(
                number,
                f"second judgement of {docid} for topic {qid}, for {iteration!r:.40} after {of_first!r:.40} on line "
                f"{first}: judgements by subtopic are not supported; keep one row per document, or use ndeval",
            )
            continue
        if first != number:
            problems.add(number, f"duplicate judgement of {docid} for topic {qid}, first on line {first}")
            continue
        yield QrelsRow(number, qid, docid, grade)
    if not lines and not problems.errors:
        problems.add(0, "empty file: contains no judgements")


def _wrong_width(columns: Sequence[str], layout: _Columns) -> str:
    wrong = f"{len(columns)} columns; expected {layout.width}: {layout.names}"
    if layout is _TREC and len(columns) == 3 and whole_number(columns[2]) is not None:
        wrong += " (or qid docid grade under a header row: query-id corpus-id score)"
    return wrong
