"""Submission rules of tracks and leaderboards for runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from instrerank.trec.problems import Problems, counted, listed
from instrerank.trec.runs import RunRow


class Form(NamedTuple):
    """The form of an id or a tag: a regular expression for the whole string, and a description in words."""

    expression: str
    words: str


_ANY = Form(r"\S+", "no whitespace")
_NUMBER = Form(r"\d+", "a number")


@dataclass(frozen=True)
class Preset:
    """The rules of one track or leaderboard.

    Attributes:
        documents: maximum number of documents per topic.
        tag: form of the run tag; None for MS MARCO's three columns, which have no tag.
        qid: form of a qid.
        docid: form of a docid.
        counted: ranks must be 1, 2, 3, … and scores must not increase, in file order.
    """

    documents: int
    tag: Form | None = None
    qid: Form = _ANY
    docid: Form = _ANY
    counted: bool = False


_TREC_TAG = Form(r"[A-Za-z0-9._-]{1,20}", "1 to 20 letters, digits, '.', '_', '-'")
_RAGTIME_TAG = Form(r"[A-Za-z0-9._-]{1,25}", "1 to 25 letters, digits, '.', '_', '-'")
_DEEP_LEARNING_TAG = Form(r"[A-Za-z0-9_-]{1,25}", "1 to 25 letters, digits, '_', '-'")

PRESETS = {
    "trec": Preset(1000, _TREC_TAG),
    "trec-dl-passage": Preset(
        100, _DEEP_LEARNING_TAG, docid=Form(r"msmarco_passage_\d\d_\d+", "msmarco_passage_ followed by two numbers")
    ),
    "trec-dl-document": Preset(
        100, _DEEP_LEARNING_TAG, docid=Form(r"msmarco_doc_\d\d_\d+", "msmarco_doc_ followed by two numbers")
    ),
    "trec-rag": Preset(
        100,
        _TREC_TAG,
        docid=Form(r"msmarco_v2\.1_doc_\d\d_\d+#\d+_\d+", "a segment, msmarco_v2.1_doc_00_0#0_0"),
    ),
    "trec-rag-2026": Preset(
        100,
        _TREC_TAG,
        docid=Form(r"shard_\d+_\d+", "a ClimbMix document, shard_ followed by two numbers"),
        counted=True,
    ),
    "trec-ragtime": Preset(
        1000,
        _RAGTIME_TAG,
        docid=Form(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_\d+", "a UUID, an underscore and a number"),
    ),
    "msmarco-passage": Preset(1000, qid=_NUMBER, docid=_NUMBER),
    "msmarco-document": Preset(100, qid=_NUMBER, docid=Form(r"D\d+", "D followed by a number")),
}
"""By name. The rules are those of NIST's submission form for TREC-COVID and its checker of standard runs (`trec`),
its checker for the Deep Learning Track of 2022 (`trec-dl-…`), the guidelines of TREC RAG 2024 and 2025 (`trec-rag`),
those of 2026 and the organisers' checker (`trec-rag-2026`), the rules of RAGTIME 2025 and 2026 as trec-auto-judge's
`track_specs.yml` records them, with the depth of NeuCLIR's runs (`trec-ragtime`), and `ms_marco_eval.py`, which
parses ids as numbers and has 1000 rank slots, where a second document at the same rank replaces the first
(`msmarco-…`)."""


def check_submission(
    rows: Iterable[RunRow], preset: Preset, problems: Problems, qids: Sequence[str] | None = None
) -> None:
    """Record every row that breaks a rule of the preset, and every topic without a row.

    Problems that `parse_run` records (invalid rows, duplicate docids) are not repeated.

    Args:
        rows: rows of the run, in file order.
        preset: the rules.
        problems: collects the problems found.
        qids: qids of all topics; without them, missing and unknown topics are not detected.
    """
    tags: list[str] = []
    by_topic: dict[str, list[RunRow]] = {}
    for row in rows:
        if bool(row.q0) != bool(preset.tag) and not by_topic:  # the same in all rows: reported once
            expected = "qid Q0 docid rank score tag" if preset.tag else "qid docid rank"
            problems.add(row.line, f"expected the columns {expected}")
        elif preset.tag and row.q0 not in ("", "Q0"):
            problems.add(row.line, f"second column {row.q0}: expected Q0")
        for name, value, form in (("qid", row.qid, preset.qid), ("docid", row.docid, preset.docid)):
            if not re.fullmatch(form.expression, value, re.ASCII):
                problems.add(row.line, f"{name} {value}: expected {form.words}")
        if preset.tag and row.tag not in tags:
            tags.append(row.tag)
            if len(tags) > 1:
                problems.add(
                    row.line, f"run tag {row.tag}: expected the same tag on every row, the first is {tags[0]}"
                )
            if not re.fullmatch(preset.tag.expression, row.tag, re.ASCII):
                problems.add(row.line, f"run tag {row.tag}: expected {preset.tag.words}")
        by_topic.setdefault(row.qid, []).append(row)
    known = set(qids or by_topic)
    for qid, of_topic in by_topic.items():
        if qid not in known:
            problems.add(min(row.line for row in of_topic), f"unknown qid {qid}: not in the topics")
        if len(of_topic) > preset.documents:
            problems.add(of_topic[preset.documents].line, f"topic {qid} has more than {preset.documents} documents")
        if preset.counted:
            _check_order(of_topic, problems)
        if preset.tag is None:
            _check_ranks(of_topic[: preset.documents], preset.documents, problems)
    missing = [qid for qid in qids or () if qid not in by_topic]
    if missing:
        problems.add(0, f"no row for {counted(len(missing), 'topic')}: {listed(missing, len(missing))}")


def keeps_rules(
    preset: Preset, tag: str, topics: Iterable[tuple[str, Sequence[str]]], qids: Sequence[str] | None = None
) -> bool:
    """Return whether a run with ranks from 1 in trec_eval's order keeps the rules; `check_submission` says which not.

    Args:
        preset: the rules.
        tag: the run's tag.
        topics: qids, each with its docids.
        qids: qids of all topics; without them, missing and unknown topics are not detected.
    """
    if preset.tag and not re.fullmatch(preset.tag.expression, tag, re.ASCII):
        return False
    of_qid = re.compile(preset.qid.expression, re.ASCII)
    of_docids = re.compile(rf"(?:{preset.docid.expression}\n)*", re.ASCII)
    answered = set()
    for qid, docids in topics:
        lines = "".join([f"{docid}\n" for docid in docids])
        if len(docids) > preset.documents or not of_qid.fullmatch(qid) or not of_docids.fullmatch(lines):
            return False
        answered.add(qid)
    return not qids or answered == {*qids}


def _check_order(of_topic: Sequence[RunRow], problems: Problems) -> None:
    """Record rows of one topic whose rank does not match their position, and scores that increase."""
    for place, row in enumerate(of_topic, start=1):
        if row.rank != place:
            problems.add(row.line, f"rank {row.rank}: expected {place}, since ranks count from 1 in file order")
    for before, row in pairwise(of_topic):
        if row.score > before.score:
            problems.add(row.line, f"score {row.score:.9g} is higher than {before.score:.9g} on the row before it")


def _check_ranks(of_topic: Sequence[RunRow], documents: int, problems: Problems) -> None:
    """Record rows of one topic with a duplicate rank or a rank out of range."""
    lines: dict[int, int] = {}
    for row in of_topic:
        first = lines.setdefault(row.rank, row.line)
        if first != row.line:
            problems.add(row.line, f"duplicate rank {row.rank} for topic {row.qid}, first on line {first}")
        if not 1 <= row.rank <= documents:
            problems.add(row.line, f"rank {row.rank}: expected 1 to {documents}")
