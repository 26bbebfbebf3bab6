"""How well a ranking follows a narrowed instruction: FollowIR's p-MRR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeVar

from instrerank.errors import InputError
from instrerank.evaluation.means import mean
from instrerank.trec import Qrels, Run, trec_eval_order
from instrerank.trec.problems import counted

Documents = dict[str, list[str]]
"""Documents that a measure considers, by qid."""


Kind = Literal["original", "changed"]
_ENDINGS: dict[Kind, str] = {"original": "-og", "changed": "-changed"}
_Value = TypeVar("_Value")


class Place(NamedTuple):
    """A document's place in a ranking: its rank, from 1 in trec_eval's order, and its score."""

    rank: int
    score: float


def under_instructions(by_qid: Mapping[str, _Value], kind: Kind) -> dict[str, _Value]:
    """Return the entries for one kind of instructions, by plain qid.

    FollowIR's data on the Hugging Face hub, and mteb's runs on it, contain both kinds in one file: `310-og` and
    `310-changed`. Without such qids, everything is returned unchanged.
    """
    if not any(qid.endswith(tuple(_ENDINGS.values())) for qid in by_qid):
        return dict(by_qid)
    ending = _ENDINGS[kind]
    return {qid.removesuffix(ending): value for qid, value in by_qid.items() if qid.endswith(ending)}


def run_under(run: Run, kind: Kind) -> Run:
    """Return the part of a run for one kind of instructions (see `under_instructions`)."""
    return Run(run.tag, under_instructions(run.rankings, kind))


def changed_documents(original: Qrels, changed: Qrels, relevance_level: int = 1) -> Documents:
    """Return the documents relevant in the original but not in the changed qrels, by qid.

    A document that the changed qrels do not judge counts as unchanged: a missing line is not a judgement.
    """
    found = {}
    for qid, grades in original.items():
        after = changed.get(qid, {})
        docids = [docid for docid, grade in grades.items() if grade >= relevance_level > after.get(docid, grade)]
        if docids:
            found[qid] = docids
    return found


def p_mrr_by_topic(original: Run, changed: Run, documents: Documents) -> dict[str, float]:
    """Return p-MRR by topic (FollowIR, Weller et al. 2024, arXiv 2403.15246, Eq. 1), each between −1 and 1.

    For each document that stops being relevant, with its ranks R_og under the original instruction and R_new under
    the changed one (from 1, in trec_eval's order; an unranked document has the rank after the last):
    R_new / R_og − 1 if it rose or stayed (bad, at most 0), 1 − R_og / R_new if it fell (good, above 0);
    a topic's value is the mean over its documents.

    Args:
        original: run under the original instructions.
        changed: run under the changed instructions.
        documents: from `changed_documents`; other topics are ignored.

    Raises:
        InputError: no topic has a changed document, or a run has no results for a topic with one.
    """
    if not documents:
        raise InputError("no document stops being relevant between the two qrels: p-MRR has nothing to measure")
    refuse_absent_topics({"original": original, "changed": changed}, documents)
    values = {}
    for qid, docids in documents.items():
        before, after = places(original, qid), places(changed, qid)
        moves = [_move(_rank(before, docid), _rank(after, docid)) for docid in docids]
        values[qid] = mean(moves)
    return values


def refuse_absent_topics(runs: Mapping[str, Run], qids: Iterable[str]) -> None:
    """Raise unless every run has results for every topic; runs are keyed by the kind of their instructions.

    Raises:
        InputError: a run misses topics; names the run and their number.
    """
    for kind, run in runs.items():
        absent = [qid for qid in qids if not run.rankings.get(qid)]
        if absent:
            raise InputError(
                f"the run under the {kind} instructions has no results for "
                f"{counted(len(absent), 'topic')}, first {absent[0]}"
            )


def places(run: Run, qid: str) -> dict[str, Place]:
    """Return the place of each document in a topic's ranking, by docid."""
    ordered = trec_eval_order(run.rankings[qid])
    return {document.docid: Place(rank, document.score) for rank, document in enumerate(ordered, start=1)}


def _rank(ranked: Mapping[str, Place], docid: str) -> int:
    return ranked[docid].rank if docid in ranked else len(ranked) + 1


def _move(original: int, changed: int) -> float:
    return changed / original - 1 if original >= changed else 1 - original / changed
