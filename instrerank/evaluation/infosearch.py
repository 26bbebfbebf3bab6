"""Does a ranking follow an instruction and its reverse? SICR and WISE of InfoSearch (Zhou et al., arXiv 2410.23841).

Three runs by the same system: under the original query, under the instruction, and under the reversed instruction,
which asks for what the instruction excludes. The gold documents are those that are relevant and satisfy the
instruction; o, n and r stand for the rank of one of them in the three runs, in trec_eval's order.
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
"""InfoSearch's constant: from below this rank a rise is hardly rewarded."""

Triple = tuple[Place, Place, Place]
"""A document's places in the original, the instructed and the reverse run."""


def gold_documents(original: Qrels, changed: Qrels, relevance_level: int = 1) -> Documents:
    """Return by qid the documents that are relevant in both qrels, for topics on which something stops being so.

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
    n < o < r and s_n > s_o > s_r; one that is first already (o = 1) if it stays so, n = 1 < r and s_n ≥ s_o > s_r.
    One that any of the runs lacks does not comply. A topic's value is the share of its gold documents.

    Args:
        original: run without the instructions, or with the original ones.
        instructed: run under the instructions.
        reverse: run under the reversed instructions.
        gold: from `gold_documents`.

    Raises:
        InputError: there is no gold document, or a run lacks a topic that has one.
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
                           (1 − √(o − n) / 20) / √n   else, if o ≤ 20
                           0.01                       else
        elsewhere:         −1                         if r < o < n
                           (o − n) / n                else, if o ≤ n
                           (r − o) / o                else

    and the topic has the mean over the gold documents that all three runs have; topics without any are left out.

    Args:
        original: run without the instructions, or with the original ones.
        instructed: run under the instructions.
        reverse: run under the reversed instructions.
        gold: from `gold_documents`.
        excluded: from `changed_documents`: relevant without the instruction, and not with it.
        release: of InfoSearch's code. The first has o − n for its square root and no −1; there a document that
            stays at rank 20 scores more than one that rises from there to the first.

    Raises:
        InputError: there is no gold document, or a run lacks a topic that has one.
    """
    values = {}
    for qid, found in _triples(original, instructed, reverse, gold):
        count = len(gold[qid]) + len(excluded[qid])
        sensitivities = [_sensitivity(o.rank, n.rank, r.rank, count, release) for o, n, r in found]
        if sensitivities:
            values[qid] = mean(sensitivities)
    return values


def _triples(original: Run, instructed: Run, reverse: Run, gold: Documents) -> Iterator[tuple[str, list[Triple]]]:
    """Yield each qid with the places of those gold documents that all three runs have."""
    if not gold:
        raise InputError("no topic has both a document that stops being relevant and one that stays so")
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
