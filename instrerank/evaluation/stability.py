"""Similarity of two rankings of one topic: overlap, rank-biased overlap and Kendall's tau.

Rankings are lists of unique docids, best first. Scores are ignored, so any two runs can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from instrerank.errors import InputError
from instrerank.trec import Run, trec_eval_order

Ranks = NDArray[np.int64]


def overlap(a: Sequence[str], b: Sequence[str], k: int) -> float:
    """Return the fraction of the first k documents that two rankings share, between 0 and 1.

    |a[:k] ∩ b[:k]| / k, where k is the length of the longer ranking if both are shorter. Two empty rankings have
    overlap 1.

    Raises:
        InputError: k is less than 1.
    """
    if k < 1:
        raise InputError(f"the cutoff of overlap must be at least 1, got {k}")
    depth = min(k, max(len(a), len(b)))
    return len(set(a[:k]) & set(b[:k])) / depth if depth else 1.0


def rank_biased_overlap(a: Sequence[str], b: Sequence[str], p: float = 0.9) -> float:
    """Return the extrapolated rank-biased overlap, RBO_ext, between 0 and 1.

    Webber, Moffat and Zobel (A similarity measure for indefinite rankings, TOIS 28(4), 2010, Eq. 32). With X_d the
    number of documents shared by the first d, and s and l the shorter and the longer length, the agreement is

        A_d = X_d / d                            for d ≤ s
        A_d = (X_d + X_s · (d − s) / s) / d      for s < d ≤ l

    and stays at A_l beyond l: RBO_ext = (1 − p) · Σ_{d ≤ l} p^(d−1) · A_d + p^l · A_l. This is Eq. 32 with its terms
    grouped by depth. The value is 1 for two empty rankings, and 0 for an empty and a non-empty one.

    Args:
        a: one ranking.
        b: the other.
        p: probability that a user continues to the next rank; at 0.9 the first ten ranks carry 86% of the weight.

    Raises:
        InputError: p is not between 0 and 1.
    """
    if not 0 < p < 1:
        raise InputError(f"`p` of rank-biased overlap must be above 0 and below 1, got {p}")
    shorter, longer = sorted((len(a), len(b)))
    if not shorter:
        return float(not longer)
    overlaps = np.bincount(np.maximum(*_common_ranks(a, b)), minlength=longer).cumsum()
    depths = np.arange(1, longer + 1)
    beyond = np.maximum(depths - shorter, 0)
    agreement = (overlaps + overlaps[shorter - 1] * beyond / shorter) / depths
    weights = (1 - p) * p ** (depths - 1.0)
    return min(1.0, float(weights @ agreement + p**longer * agreement[-1]))


def kendall_tau(a: Sequence[str], b: Sequence[str]) -> float | None:
    """Return Kendall's tau over the documents that two rankings share, between −1 and 1.

    (concordant pairs − discordant pairs) / all pairs (Kendall 1938), by scipy. Documents in only one of the
    rankings are ignored: assigning them a rank would conflate dropping out of the list with changing position, and
    `overlap` measures the former. None if the two share fewer than two documents.
    """
    from scipy import stats

    ranks = _common_ranks(a, b)
    return float(stats.kendalltau(*ranks).statistic) if len(ranks[0]) > 1 else None


STABILITY_MEASURES: Mapping[str, Callable[[Sequence[str], Sequence[str]], float | None]] = {
    "overlap@10": partial(overlap, k=10),
    "RBO(p=0.9)": rank_biased_overlap,
    "Kendall's tau": kendall_tau,
}
"""Similarity measures by printed name."""


def stability_by_topic(
    run: Run, baseline: Run, qids: Iterable[str], max_docs: int | None = None
) -> dict[str, dict[str, float]]:
    """Return the similarity of the rankings of two runs by measure, then by qid.

    Args:
        run: a run, sorted in trec_eval's order.
        baseline: another run, for example on the clean queries.
        qids: the topics; those without results in either run are omitted, as are those for which tau is undefined.
        max_docs: truncate every ranking to this depth first.
    """
    values: dict[str, dict[str, float]] = {name: {} for name in STABILITY_MEASURES}
    for qid in qids:
        pair = [
            [docid for docid, _ in trec_eval_order(each.rankings.get(qid, []))[:max_docs]] for each in (run, baseline)
        ]
        for name, measure in STABILITY_MEASURES.items():
            value = measure(*pair)
            if any(pair) and value is not None:
                values[name][qid] = value
    return values


def _common_ranks(a: Sequence[str], b: Sequence[str]) -> tuple[Ranks, Ranks]:
    """Return the ranks, from 0, of the shared documents in a and in b."""
    places = {docid: rank for rank, docid in enumerate(b)}
    pairs = [(rank, places[docid]) for rank, docid in enumerate(a) if docid in places]
    ranks = np.array(pairs, np.int64).reshape(-1, 2)
    return ranks[:, 0], ranks[:, 1]
