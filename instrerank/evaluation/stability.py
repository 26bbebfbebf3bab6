"""How alike are two rankings of one topic? Overlap, rank-biased overlap and Kendall's tau.

Rankings are distinct docids, best first. Scores play no part, so any two runs compare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instrerank.errors import InputError

Ranks = NDArray[np.int64]


def overlap(a: Sequence[str], b: Sequence[str], k: int) -> float:
    """Return the share of the first k documents that both rankings have there, between 0 and 1.

    |a[:k] ∩ b[:k]| / k, with the longer ranking's length for k where both are shorter. Two empty rankings are
    alike: 1.

    Raises:
        InputError: k is below 1.
    """
    if k < 1:
        raise InputError(f"overlap needs a cutoff of at least 1; given {k}")
    depth = min(k, max(len(a), len(b)))
    return len(set(a[:k]) & set(b[:k])) / depth if depth else 1.0


def rank_biased_overlap(a: Sequence[str], b: Sequence[str], p: float = 0.9) -> float:
    """Return the extrapolated rank-biased overlap, RBO_ext, between 0 and 1.

    Webber, Moffat and Zobel (A similarity measure for indefinite rankings, TOIS 28(4), 2010, Eq. 32). With X_d the
    number of documents that both have in their first d, s and l the shorter and the longer length, the agreement is

        A_d = X_d / d                            for d ≤ s
        A_d = (X_d + X_s · (d − s) / s) / d      for s < d ≤ l

    and goes on as A_l for ever: RBO_ext = (1 − p) · Σ_{d ≤ l} p^(d−1) · A_d + p^l · A_l. This is Eq. 32 with its terms
    gathered by depth. Two empty rankings are alike, 1; an empty one is unlike any other, 0.

    Args:
        a: one ranking.
        b: the other.
        p: probability that a reader goes on to the next rank; at 0.9 the first ten ranks bear 86 % of the weight.

    Raises:
        InputError: p is not between 0 and 1.
    """
    if not 0 < p < 1:
        raise InputError(f"rank-biased overlap needs a p between 0 and 1, both excluded; given {p}")
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
    """Return Kendall's tau over the documents that both rankings have, between −1 and 1.

    (concordant pairs − discordant pairs) / all pairs (Kendall 1938), by scipy. Documents of one ranking only have no
    place in the other, and inventing one would mix what left the list with what changed its place: `overlap` tells
    the former. None where the two share fewer than two documents.
    """
    from scipy import stats

    ranks = _common_ranks(a, b)
    return float(stats.kendalltau(*ranks).statistic) if len(ranks[0]) > 1 else None


def _common_ranks(a: Sequence[str], b: Sequence[str]) -> tuple[Ranks, Ranks]:
    """Return the ranks, from 0, of the documents that both rankings have: in a, and in b."""
    places = {docid: rank for rank, docid in enumerate(b)}
    pairs = [(rank, places[docid]) for rank, docid in enumerate(a) if docid in places]
    ranks = np.array(pairs, np.int64).reshape(-1, 2)
    return ranks[:, 0], ranks[:, 1]
