"""How often one of two passages scores higher, over topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from instrerank.errors import InputError
from instrerank.evaluation.significance import LEAST_DIFFERENCE, compare


class WinRate(NamedTuple):
    """A share of wins; the unit is the topic.

    Attributes:
        topics: number of topics.
        pairs: number of pairs.
        ties: number of pairs in which both score the same.
        win_rate: share of wins, a tie as half a win, averaged within each topic first.
        low: start of its 95% bootstrap interval over topics; None with one topic.
        high: its end.
        p: paired t-test over topics against 0.5; None with one topic, or if every topic has 0.5.
    """

    topics: int
    pairs: int
    ties: int
    win_rate: float
    low: float | None
    high: float | None
    p: float | None


def win_rate(differences: Mapping[str, Sequence[float]]) -> WinRate:
    """Return how often a score is the higher of two.

    Args:
        differences: score − other score of each pair, by qid; topics without pairs are left out.

    Raises:
        InputError: no pairs.
    """
    differences = {qid: each for qid, each in differences.items() if each}
    if not differences:
        raise InputError("a win rate needs at least one pair")
    wins = {qid: fmean(map(_win, each)) for qid, each in differences.items()}
    change = compare(wins, dict.fromkeys(wins, 0.5), randomisation=False)
    low, high = change.interval or (None, None)
    return WinRate(
        topics=len(wins),
        pairs=sum(map(len, differences.values())),
        ties=sum(_win(each) == 0.5 for found in differences.values() for each in found),
        win_rate=change.mean,
        low=None if low is None else 0.5 + low,
        high=None if high is None else 0.5 + high,
        p=change.p_t_test,
    )


def _win(difference: float) -> float:
    return 0.5 if abs(difference) < LEAST_DIFFERENCE else float(difference > 0)
