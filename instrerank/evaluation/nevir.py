"""NevIR: whether two contrasting queries each rank the right one of two passages first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from instrerank.errors import InputError
from instrerank.evaluation.robustness import before_underscore
from instrerank.trec import Qrels, Run, trec_eval_order


class ContrastivePair(NamedTuple):
    """Two queries that differ in a negation; each asks for its own document and not the other's."""

    first_qid: str
    first_docid: str
    second_qid: str
    second_docid: str


def contrastive_pairs(qrels: Qrels, base: Callable[[str], str] = before_underscore) -> list[ContrastivePair]:
    """Return the pairs in qrels of mteb's NevIR task: `N_q1` and `N_q2`, with one relevant document each.

    Raises:
        InputError: a pair does not have two queries with exactly one relevant document each.
    """
    groups = defaultdict(list)
    for qid in sorted(qrels):
        groups[base(qid)].append(qid)
    pairs = []
    for name, qids in groups.items():
        relevant = [[docid for docid, grade in qrels[qid].items() if grade > 0] for qid in qids]
        if [len(docids) for docids in relevant] != [1, 1]:
            raise InputError(f"pair {name}: expected two queries with one relevant document each, found {qids}")
        pairs.append(ContrastivePair(qids[0], relevant[0][0], qids[1], relevant[1][0]))
    return pairs


def pairwise_accuracy(run: Run, pairs: Sequence[ContrastivePair]) -> float:
    """Return the fraction of pairs whose two queries both rank their own document above the other's."""
    found = pairs_in_order(run, pairs)
    return sum(found.values()) / len(found)


def pairs_in_order(run: Run, pairs: Sequence[ContrastivePair]) -> dict[str, float]:
    """Return by pair, `N` of `N_q1`, 1 if its two queries both rank their own document above the other's, else 0.

    Weller et al., NevIR, EACL 2024, arXiv 2305.07614. Chance is 1 / 4. The order is trec_eval's; an unranked
    document counts as below any ranked one, and a query that ranks neither counts as wrong.

    Raises:
        InputError: there are no pairs.
    """
    if not pairs:
        raise InputError("pairwise accuracy needs at least one pair of queries")
    return {
        before_underscore(pair.first_qid): float(
            _prefers(run, pair.first_qid, pair.first_docid, pair.second_docid)
            and _prefers(run, pair.second_qid, pair.second_docid, pair.first_docid)
        )
        for pair in pairs
    }


def _prefers(run: Run, qid: str, docid: str, other: str) -> bool:
    ranked = [document.docid for document in trec_eval_order(run.rankings.get(qid, []))]
    return docid in ranked and (other not in ranked or ranked.index(docid) < ranked.index(other))
