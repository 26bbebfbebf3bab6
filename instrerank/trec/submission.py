"""What tracks and leaderboards ask of a run, checked before they refuse it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from instrerank.trec.problems import Problems, listed
from instrerank.trec.runs import RunRow


class Form(NamedTuple):
    """What an id or a tag looks like: a regular expression of the whole of it, and the same in words."""

    expression: str
    words: str


_ANY = Form(r"\S+", "anything without blanks")
_NUMBER = Form(r"\d+", "a number")


@dataclass(frozen=True)
class Preset:
    """The rules of one track or leaderboard.

    Attributes:
        documents: at most so many for each topic.
        tag: of the run; None for MS MARCO's three columns, which have none.
        qid: what a qid looks like.
        docid: what a docid looks like.
    """

    documents: int
    tag: Form | None = None
    qid: Form = _ANY
    docid: Form = _ANY


_TREC_TAG = Form(r"[A-Za-z0-9._-]{1,20}", "1 to 20 letters, digits, '.', '_', '-'")
_DEEP_LEARNING_TAG = Form(r"[A-Za-z0-9_-]{1,25}", "1 to 25 letters, digits, '_', '-'")

PRESETS = {
    "trec": Preset(1000, _TREC_TAG),
    "trec-dl-passage": Preset(
        100, _DEEP_LEARNING_TAG, docid=Form(r"msmarco_passage_\d\d_\d+", "msmarco_passage_ and two numbers")
    ),
    "trec-dl-document": Preset(
        100, _DEEP_LEARNING_TAG, docid=Form(r"msmarco_doc_\d\d_\d+", "msmarco_doc_ and two numbers")
    ),
    "trec-rag": Preset(
        100,
        _TREC_TAG,
        docid=Form(r"msmarco_v2\.1_doc_\d\d_\d+#\d+_\d+", "a segment, msmarco_v2.1_doc_00_0#0_0"),
    ),
    "msmarco-passage": Preset(1000, qid=_NUMBER, docid=_NUMBER),
    "msmarco-document": Preset(100, qid=_NUMBER, docid=Form(r"D\d+", "D and a number")),
}
"""By name. The rules are those of NIST's submission form for TREC-COVID and its checker of standard runs (`trec`),
its checker for the Deep Learning Track of 2022 (`trec-dl-…`), the guidelines of TREC RAG 2024 and 2025 (`trec-rag`),
and `ms_marco_eval.py`, which reads ids as numbers and has room for 1000 ranks (`msmarco-…`)."""


def check_submission(
    rows: Iterable[RunRow], preset: Preset, problems: Problems, qids: Collection[str] | None = None
) -> None:
    """Note every row that breaks a rule of the preset, and every topic without a row.

    What `parse_run` notes (unreadable rows, docids that stand twice) is not noted again.

    Args:
        rows: of the run, in file order.
        preset: the rules.
        problems: takes what is found.
        qids: of all topics; without them no topic is found missing or unknown.
    """
    documents: dict[str, int] = {}
    tags: list[str] = []
    second_column = "Q0" if preset.tag else ""
    for number, row in enumerate(rows):
        documents[row.qid] = documents.get(row.qid, 0) + 1
        if number == 0 and row.q0 != second_column:
            wanted = "qid Q0 docid rank score tag" if preset.tag else "qid docid rank"
            problems.add(row.line, f"wanted the columns {wanted}")
        for name, value, form in (("qid", row.qid, preset.qid), ("docid", row.docid, preset.docid)):
            if not re.fullmatch(form.expression, value, re.ASCII):
                problems.add(row.line, f"{name} {value}: wanted {form.words}")
        if preset.tag and row.tag not in tags:
            tags.append(row.tag)
            if len(tags) > 1:
                problems.add(row.line, f"run tag {row.tag}: wanted one tag only, and the first was {tags[0]}")
            if not re.fullmatch(preset.tag.expression, row.tag, re.ASCII):
                problems.add(row.line, f"run tag {row.tag}: wanted {preset.tag.words}")
        if documents[row.qid] == preset.documents + 1:
            problems.add(row.line, f"topic {row.qid} has more than {preset.documents} documents")
        if qids is not None and row.qid not in qids and documents[row.qid] == 1:
            problems.add(row.line, f"unknown qid {row.qid}: not in the topics")
    missing = [qid for qid in qids or () if qid not in documents]
    if missing:
        problems.add(0, f"no row for {len(missing)} topics: {listed(missing, len(missing))}")
