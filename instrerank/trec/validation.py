"""Validation of run, qrels, topics and passage files, individually and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from instrerank.errors import InputError
from instrerank.trec.columns import TopicColumns, read_run_columns
from instrerank.trec.kinds import Kind, kind_of
from instrerank.trec.order import count_tied, trec_eval_order
from instrerank.trec.passages import parse_passages
from instrerank.trec.problems import Problems, counted, listed, own_documents
from instrerank.trec.qrels import parse_qrels
from instrerank.trec.records import INSTRUCTIONS, NARRATIVES, is_empty
from instrerank.trec.runs import RunRow, parse_run
from instrerank.trec.submission import Preset, check_submission
from instrerank.trec.topics import parse_topics
from instrerank.trec.types import ScoredDoc


class CheckedFile(NamedTuple):
    """What `check_files` found in one file.

    Attributes:
        kind: the kind of file; None if it is empty, unreadable or ambiguous.
        problems: the problems found.
        summary: a short description of the content.
        first_lines: line number of the first row of each qid.
    """

    kind: Kind | None
    problems: Problems
    summary: str
    first_lines: dict[str, int]


def check_files(
    paths: Sequence[str | Path], kind: Kind | None = None, preset: Preset | None = None
) -> list[CheckedFile]:
    """Check files, and the qids of the given runs against the given topics and qrels.

    Args:
        paths: run, qrels, topics, instructions or passage files in any format that instrerank reads.
        kind: the kind of all files; None: detected from each file's first record, and reported if ambiguous.
        preset: the track or leaderboard to submit to; runs must then have results for every topic.

    Raises:
        InputError: a preset is given, but none of the files is a run.
    """
    checked = [_check(path, kind, preset) for path in paths]
    if preset and not any(file.kind in ("run", None) for file in checked):
        raise InputError("`preset` applies to runs, but none of these files is a run; if one is, set `kind` to run")
    for run in checked:
        for other in checked:
            if run.kind == "run" and other.kind in ("qrels", "topics"):
                _compare(run, other, submission=preset is not None)
    return checked


def _check(path: str | Path, kind: Kind | None, preset: Preset | None) -> CheckedFile:
    problems = Problems(path)
    try:
        kind = kind or kind_of(path)
        if kind is None:
            problems.add(0, "empty file")
            return CheckedFile(None, problems, "empty", {})
        if kind == "passages":
            return CheckedFile(kind, problems, _check_passages(path, problems), {})
        if kind == "run":
            return CheckedFile(kind, problems, *_check_run(path, problems, preset))
        if kind == "qrels":
            return CheckedFile(kind, problems, *_check_qrels(path, problems))
        rows = parse_topics(path, problems, (*INSTRUCTIONS, *NARRATIVES) if kind == "instructions" else ())
        return CheckedFile(
            kind, problems, counted(len(rows), kind.removesuffix("s")), {row.topic.qid: row.line for row in rows}
        )
    except InputError as error:
        problems.add_error(error)
        return CheckedFile(None, problems, "unreadable", {})


def _check_passages(path: str | Path, problems: Problems) -> str:
    first_lines: dict[str, int] = {}
    count = 0
    for number, (docid, text) in parse_passages(path):
        count += 1
        first = first_lines.setdefault(docid, number)
        if first != number:
            problems.add(number, f"duplicate docid {docid}, first on line {first}")
        if is_empty(text):
            problems.add(number, f"docid {docid} has an empty text", warning=True)
    if not count:
        problems.add(0, "empty file: contains no passages")
    return counted(count, "passage")


def _check_run(path: str | Path, problems: Problems, preset: Preset | None) -> tuple[str, dict[str, int]]:
    read = None if preset else read_run_columns(path)
    if read is not None:
        _, large = read
        topics, first_lines = ((qid, large.columns(qid)) for qid in large), large.first_lines
    else:
        every_row = list(parse_run(path, problems))
        if preset:
            check_submission(every_row, preset, problems)
        by_qid: dict[str, list[RunRow]] = {}
        for row in every_row:
            by_qid.setdefault(row.qid, []).append(row)
        topics = ((qid, _columns(rows)) for qid, rows in by_qid.items())
        first_lines = {qid: rows[0].line for qid, rows in by_qid.items()}
    sizes = [0]
    tied = 0
    own = []
    for qid, rows in topics:
        sizes.append(len(rows.docids))
        if qid in rows.docids:
            own.append(qid)
        if rows.is_sorted and (rows.ranks[1:] > rows.ranks[:-1]).all():
            continue
        documents = list(map(ScoredDoc, rows.docids, rows.scores.tolist()))
        tied += count_tied(documents)
        by_rank = [rows.docids[place] for place in np.argsort(rows.ranks, kind="stable")]
        if by_rank != [document.docid for document in trec_eval_order(documents)]:
            problems.add(
                first_lines[qid],
                f"topic {qid}: the rank column differs from trec_eval's order (score, then docid, descending)",
                warning=True,
            )
    warning = own_documents(own, len(first_lines))
    if warning:
        problems.add(0, warning, warning=True)
    summary = (
        f"{counted(sum(sizes), 'row')}, {counted(len(first_lines), 'topic')}, at most "
        f"{counted(max(sizes), 'document')} each, {counted(tied, 'row')} with tied scores"
    )
    return summary, first_lines


def _columns(rows: Sequence[RunRow]) -> TopicColumns:
    scores = np.array([row.score for row in rows], np.float32)
    return TopicColumns([row.docid for row in rows], scores, np.array([row.rank for row in rows]))


def _check_qrels(path: str | Path, problems: Problems) -> tuple[str, dict[str, int]]:
    first_lines: dict[str, int] = {}
    relevant: dict[str, bool] = {}
    count = 0
    for row in parse_qrels(path, problems):
        count += 1
        first_lines.setdefault(row.qid, row.line)
        relevant[row.qid] = relevant.get(row.qid, False) or row.grade > 0
    for qid in [qid for qid, any_relevant in relevant.items() if not any_relevant]:
        problems.add(first_lines[qid], f"topic {qid} has no relevant document", warning=True)
    return f"{counted(count, 'judgement')}, {counted(len(first_lines), 'topic')}", first_lines


def _compare(run: CheckedFile, other: CheckedFile, *, submission: bool) -> None:
    unknown = [qid for qid in run.first_lines if qid not in other.first_lines]
    if len(unknown) == len(run.first_lines) and unknown:
        run.problems.add(0, f"no topic in common with {other.problems.path}: this run has {listed(unknown)}")
    else:
        # a run may answer more topics than were judged, but none that was never asked
        for qid in unknown:
            message = f"unknown qid {qid}: not in {other.problems.path}"
            run.problems.add(run.first_lines[qid], message, warning=other.kind == "qrels")
    missing = [qid for qid in other.first_lines if qid not in run.first_lines]
    if missing:
        required = submission and other.kind == "topics"
        names = listed(missing, len(missing)) if required else listed(missing)
        where = f"{counted(len(missing), 'qid')} of {other.problems.path}"
        run.problems.add(0, f"no row for {where}: {names}", warning=not required)
