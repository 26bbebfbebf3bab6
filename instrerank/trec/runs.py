"""Run files in TREC's six-column and MS MARCO's three-column format."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from instrerank.errors import InputError
from instrerank.files import read_lines, whole_file
from instrerank.trec.columns import read_run_columns
from instrerank.trec.numbers import LARGEST_FLOAT32, decimal, fits_float32, whole_number
from instrerank.trec.order import ranked, trec_eval_order
from instrerank.trec.problems import Problems
from instrerank.trec.types import Run, ScoredDoc

RunFormat = Literal["trec", "msmarco"]


class RunRow(NamedTuple):
    """One row of a run file, with its line number; `q0` is the second of six columns, "" in three-column files."""

    line: int
    qid: str
    docid: str
    rank: int
    score: float
    tag: str
    q0: str


def read_run(path: str | Path, *, keep_first_duplicate: bool = False) -> Run:
    """Read a run and sort each ranking in trec_eval's order.

    Six columns are TREC's format. Three are MS MARCO's `qid docid rank`, with scores of 1/rank as in Pyserini.

    Args:
        path: the file, gzipped if its name ends in `.gz`.
        keep_first_duplicate: for a duplicate docid, keep the better-ranked row instead of raising, as is usual for a
            first stage.

    Raises:
        InputError: lists the invalid lines.
    """
    read = read_run_columns(path)
    if read is not None:
        return Run(*read)
    problems = Problems(path)
    best: dict[str, dict[str, float]] = {}
    tag = None
    for row in parse_run(path, problems, report_duplicates=not keep_first_duplicate):
        tag = tag or row.tag
        scores = best.setdefault(row.qid, {})
        scores[row.docid] = max(row.score, scores.get(row.docid, -math.inf))
    problems.raise_errors()
    return Run(tag or "", ranked(best))


def write_run(
    path: str | Path,
    run: Run,
    output_format: RunFormat = "trec",
    *,
    on_complete: Callable[[Path], None] | None = None,
) -> None:
    """Write a run in trec_eval's order, with ranks from 1 and nine-digit scores, which preserve float32 order.

    Args:
        path: the file.
        run: the rankings.
        output_format: "trec" (six columns) or "msmarco" (`qid docid rank`).
        on_complete: see `instrerank.files.whole_file`.

    Raises:
        InputError: a duplicate docid, a score that is not finite, or a field that contains whitespace.
    """
    check_tag(run.tag)
    with whole_file(path, on_complete=on_complete) as file:
        for qid, ranking in run.rankings.items():
            _check_ranking(qid, ranking)
            rows = enumerate(trec_eval_order(ranking), start=1)
            if output_format == "trec":
                lines = [f"{qid} Q0 {docid} {rank} {score:.9g} {run.tag}\n" for rank, (docid, score) in rows]
            else:
                lines = [f"{qid}\t{docid}\t{rank}\n" for rank, (docid, _) in rows]
            file.write("".join(lines))


def cut_run(run: Run, max_docs: int | None) -> Run:
    """Return a run with at most `max_docs` documents per topic, in trec_eval's order (its `-M`).

    Args:
        run: the run, which is not modified.
        max_docs: maximum number of documents per topic; None: all.

    Raises:
        InputError: `max_docs` is below 1.
    """
    if max_docs is None:
        return run
    if max_docs < 1:
        raise InputError(f"`max_docs` must be at least 1, got {max_docs}")
    return Run(run.tag, {qid: trec_eval_order(ranking)[:max_docs] for qid, ranking in run.rankings.items()})


def remove_query(run: Run) -> Run:
    """Return a run without documents whose docid equals the qid, as Pyserini's `--remove-query` does for ArguAna.

    There, every query is a document of the collection and retrieves itself first.
    """
    return Run(
        run.tag,
        {qid: [document for document in ranking if document.docid != qid] for qid, ranking in run.rankings.items()},
    )


def run_name(collection: str, first_stage: str, encoder: str, instructions: str, query_set: str) -> str:
    """Return `run.<collection>.<first stage>.<encoder>.<instructions>.<query set>.txt`.

    Fields are separated by dots so that users can glob by name; dots, whitespace and slashes inside a field become
    hyphens.
    """
    fields = (collection, first_stage, encoder, instructions, query_set)
    return ".".join(["run", *(re.sub(r"[^\w+-]+", "-", field) for field in fields), "txt"])


def check_tag(tag: str) -> None:
    """Reject a run tag that would break the six-column format.

    Raises:
        InputError: the tag is empty or contains whitespace.
    """
    if not tag or re.search(r"\s", tag):
        raise InputError(f"run tag {tag!r}: must be a name without whitespace")


def _check_ranking(qid: str, ranking: list[ScoredDoc]) -> None:
    docids = [docid for docid, _ in ranking]
    if len(set(docids)) < len(docids):
        twice = next(docid for docid in docids if docids.count(docid) > 1)
        raise InputError(f"topic {qid}: duplicate docid {twice} in the ranking; trec_eval would reject the run")
    if re.search(r"\s", "".join([qid, *docids])) or not qid or not all(docids):
        raise InputError(f"topic {qid}: an id is empty or contains whitespace, which is not allowed in a run file")
    if not (np.abs([score for _, score in ranking]) <= LARGEST_FLOAT32).all():
        raise InputError(f"topic {qid}: a score is NaN or infinite as float32")


def parse_run(path: str | Path, problems: Problems, *, report_duplicates: bool = True) -> Iterator[RunRow]:
    """Yield the valid rows of a run file and record problems in the others."""
    width = 0
    tags: dict[str, int] = {}
    lines: dict[tuple[str, str], int] = {}
    for number, columns in read_columns(path, problems):
        width = width or (3 if len(columns) == 3 else 6)
        row = _parse_row(number, columns, width, problems)
        if row is None:
            continue
        first = lines.setdefault((row.qid, row.docid), number)
        if first != number and report_duplicates:
            problems.add(number, f"duplicate docid {row.docid} for topic {row.qid}, first on line {first}")
        if row.tag not in tags:
            tags[row.tag] = number
            if len(tags) == 2:
                problems.add(number, f"tag {row.tag!r} differs from {next(iter(tags))!r} above", warning=True)
        yield row
    if not lines and not problems.errors:
        problems.add(0, "empty file: contains no rankings")


def _parse_row(number: int, columns: list[str], width: int, problems: Problems) -> RunRow | None:
    if len(columns) != width:
        layout = "qid Q0 docid rank score tag" if width == 6 else "qid docid rank"
        problems.add(number, f"{len(columns)} columns; expected {width}: {layout}")
        return None
    if width == 3:
        qid, docid, rank_text = columns
        q0, score_text, tag = "", "", "msmarco"
    else:
        qid, q0, docid, rank_text, score_text, tag = columns
    rank = whole_number(rank_text)
    if rank is None:
        problems.add(number, f"rank {rank_text!r:.40} is not a whole number")
        return None
    if width == 3 and rank == 0:
        problems.add(number, "rank 0: ranks start at 1")
        return None
    score = decimal(score_text) if width == 6 else 1 / rank
    if score is None:
        problems.add(number, f"score {score_text!r:.40} is not a number")
        return None
    if not fits_float32(score):
        problems.add(number, f"score {score_text} is not a finite number as float32")
        return None
    return RunRow(number, qid, docid, rank, score, tag, q0)


def read_columns(path: str | Path, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Yield the columns of each line with its number, and record lines that are empty or contain NUL."""
    for number, line in read_lines(path):
        columns = split_columns(line)
        if "\0" in line:
            problems.add(number, "contains NUL, which ends a string in trec_eval; is this a UTF-8 text file?")
        elif columns:
            yield number, columns
        else:
            problems.add(number, "empty line", warning=True)


def split_columns(line: str) -> list[str]:
    """Split at spaces and tabs only, since an id may contain other Unicode whitespace."""
    return line.split() if line.isascii() else [column for column in re.split("[ \t]+", line) if column]
