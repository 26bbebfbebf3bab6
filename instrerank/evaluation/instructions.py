"""Does a ranking follow a narrowed instruction? FollowIR's p-MRR."""

from __future__ import annotations

from instrerank.errors import InputError
from instrerank.trec import Qrels, Run, trec_eval_order

ChangedDocuments = dict[str, list[str]]
"""By qid the documents that stop being relevant under the changed instruction."""


def changed_documents(original: Qrels, changed: Qrels, relevance_level: int = 1) -> ChangedDocuments:
    """Return by qid the documents that are relevant in the original qrels and not in the changed ones.

    A document that the changed qrels do not judge counts as unchanged: a missing line is no judgement.
    """
    found = {}
    for qid, grades in original.items():
        after = changed.get(qid, {})
        docids = [docid for docid, grade in grades.items() if grade >= relevance_level > after.get(docid, grade)]
        if docids:
            found[qid] = docids
    return found


def p_mrr_by_topic(original: Run, changed: Run, documents: ChangedDocuments) -> dict[str, float]:
    """Return p-MRR by topic (FollowIR, Weller et al. 2024, arXiv 2403.15246, Eq. 1), each between −1 and 1.

    For each document that stops being relevant, with its ranks R_og under the original instruction and R_new under
    the changed one (from 1, in trec_eval's order; a document that is not ranked has the rank after the last):
    R_new / R_og − 1 where it rose or stayed (bad, at most 0), 1 − R_og / R_new where it fell (good, above 0);
    a topic's value is the mean over its documents.

    Args:
        original: run under the original instructions.
        changed: run under the changed instructions.
        documents: from `changed_documents`; topics that are not there play no part.

    Raises:
        InputError: no topic has a changed document, or a run lacks one that has.
    """
    if not documents:
        raise InputError("no document stops being relevant between the two qrels: p-MRR has nothing to measure")
    for run, name in ((original, "original"), (changed, "changed")):
        absent = [qid for qid in documents if not run.rankings.get(qid)]
        if absent:
            raise InputError(f"the run under the {name} instructions lacks {len(absent)} topics, first {absent[0]}")
    values = {}
    for qid, docids in documents.items():
        before, after = _ranks(original, qid), _ranks(changed, qid)
        moves = [_move(before.get(docid, len(before) + 1), after.get(docid, len(after) + 1)) for docid in docids]
        values[qid] = sum(moves) / len(moves)
    return values


def _ranks(run: Run, qid: str) -> dict[str, int]:
    return {document.docid: rank for rank, document in enumerate(trec_eval_order(run.rankings[qid]), start=1)}


def _move(original: int, changed: int) -> float:
    return changed / original - 1 if original >= changed else 1 - original / changed
