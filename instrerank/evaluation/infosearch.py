"""Does a ranking follow an instruction and its reverse? SICR and WISE of InfoSearch (Zhou et al., arXiv 2410.23841).

There are three runs by the same system: for the original query, with the instruction, and with the reversed
instruction, which asks for what the instruction excludes. Gold documents are relevant and satisfy the instruction;
o, n and r are the ranks of a gold document in the three runs, in trec_eval's order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from instrerank.errors import InputError
from instrerank.evaluation.instructions import Documents, Place, changed_documents, places, refuse_absent_topics
from instrerank.evaluation.means import mean
from instrerank.trec import Qrels, Run

_DEPTH = 20
"""InfoSearch's constant: documents that rise from below this rank gain almost nothing."""

Triple = tuple[Place, Place, Place]
"""A document's places in the original, instructed and reversed run."""


def gold_documents(original: Qrels, changed: Qrels, relevance_level: int = 1) -> Documents:
    """Return the documents relevant in both qrels, by qid, for topics with a document that stops being relevant.

    A document that the changed qrels do not judge counts as unchanged, as in `changed_documents`.
    """
    found = {}
    for qid, excluded in changed_documents(original, changed, relevance_level).items():
        grades = original[qid].items()
        gold = [docid for docid, grade in grades if grade >= relevance_level and docid not in excluded]
        if gold:
            found[qid] = gold
    return found


def sicr_by_topic(original: Run, instructed: Run, reverse: Run, gold: Documents) -> dict[str, float]:
    """Return the strict instruction compliance ratio by topic, each between 0 and 1.

    A gold document complies if it rises under the instruction and falls under its reverse, by rank and by score:
    n < o < r and s_n > s_o > s_r; if it is already first (o = 1), it must stay there: n = 1 < r and s_n ≥ s_o > s_r.
    A document missing from any run does not comply. A topic's value is the fraction of gold documents that comply.

    Args:
        original: run without the instructions, or with the original ones.
        instructed: run under the instructions.
        reverse: run under the reversed instructions.
        gold: from `gold_documents`.

    Raises:
        InputError: there are no gold documents, or a run has no results for a topic with one.
    """
    values = {}
    for qid, found in _triples(original, instructed, reverse, gold):
        values[qid] = sum(_complies(*each) for each in found) / len(gold[qid])
    return values


def wise_by_topic(
    original: Run,
    instructed: Run,
    reverse: Run,
    gold: Documents,
    excluded: Documents,
    *,
    release: Literal[1, 2] = 2,
) -> dict[str, float]:
    """Return the weighted instruction sensitivity evaluation by topic, each between −1 and 1.

    With c the number of gold and excluded documents of the topic, a gold document scores

        where n ≤ o < r:   1                          if n = 1 and o < c
                           (1 − √(o − n) / 20) / √n   otherwise, if o ≤ 20
                           0.01                       otherwise
        otherwise:         −1                         if r < o < n
                           (o − n) / n                otherwise, if o ≤ n
                           (r − o) / o                otherwise

    and the topic's value is the mean over the gold documents found in all three runs; topics without any are omitted.

    Args:
        original: run without the instructions, or with the original ones.
        instructed: run under the instructions.
        reverse: run under the reversed instructions.
        gold: from `gold_documents`.
        excluded: from `changed_documents`: relevant without the instruction, but not with it.
        release: release of InfoSearch's code. The first has o − n instead of its square root, and no −1; there, a
        document that stays at rank 20 scores higher than one that rises from rank 20 to rank 1.

    Raises:
        InputError: there are no gold documents, or a run has no results for a topic with one.
    """
    values = {}
    for qid, found in _triples(original, instructed, reverse, gold):
        count = len(gold[qid]) + len(excluded[qid])
        sensitivities = [_sensitivity(o.rank, n.rank, r.rank, count, release) for o, n, r in found]
        if sensitivities:
            values[qid] = mean(sensitivities)
    return values


def _triples(original: Run, instructed: Run, reverse: Run, gold: Documents) -> Iterator[tuple[str, list[Triple]]]:
    """Yield each qid with the places of the gold documents found in all three runs."""
    if not gold:
        raise InputError("no topic has both a document that stops being relevant and one that stays relevant")
    refuse_absent_topics({"original": original, "instructed": instructed, "reversed": reverse}, gold)
    for qid, docids in gold.items():
        o, n, r = (places(run, qid) for run in (original, instructed, reverse))
        yield qid, [(o[docid], n[docid], r[docid]) for docid in docids if docid in o and docid in n and docid in r]


def _complies(o: Place, n: Place, r: Place) -> bool:
    if o.rank == 1:
        return n.rank == 1 < r.rank and n.score >= o.score > r.score
    return n.rank < o.rank < r.rank and n.score > o.score > r.score


def _sensitivity(o: int, n: int, r: int, count: int, release: int) -> float:
    if n <= o < r:
        if n == 1 and o < count:
            return 1
        rise = o - n if release == 1 else math.sqrt(o - n)
        return (1 - rise / _DEPTH) / math.sqrt(n) if o <= _DEPTH else 0.01
    if release == 2 and r < o < n:
        return -1
    return (o - n) / n if o <= n else (r - o) / o
