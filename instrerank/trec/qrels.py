"""Relevance judgements: `qid 0 docid grade`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from instrerank.files import whole_file
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
        InputError: what is wrong with which lines; a judgement that stands twice would inflate the ideal ranking.
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


def parse_qrels(path: str | Path, problems: Problems) -> Iterator[QrelsRow]:
    """Yield the sound rows of a qrels file and note what is wrong with the others."""
    lines: dict[tuple[str, str], int] = {}
    for number, columns in read_columns(path, problems):
        if len(columns) != 4:
            problems.add(number, f"{len(columns)} columns; wanted 4: qid 0 docid grade")
            continue
        qid, _, docid, grade_text = columns
        try:
            grade = int(grade_text)
        except ValueError:
            problems.add(number, f"grade {grade_text!r:.40} is not a whole number")
            continue
        first = lines.setdefault((qid, docid), number)
        if first != number:
            problems.add(number, f"duplicate judgement of {docid} for topic {qid}, first on line {first}")
            continue
        yield QrelsRow(number, qid, docid, grade)
    if not lines and not problems.errors:
        problems.add(0, "empty file: no judgement in it")
