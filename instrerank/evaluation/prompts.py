"""How often one system beats another over prompts and topics, and where a default prompt falls among prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instrerank.errors import InputError
from instrerank.evaluation.significance import LEAST_DIFFERENCE, RESAMPLES

_BLOCK = 250
"""Resamples drawn at a time; part of what determines the draws."""


class Wins(NamedTuple):
    """How often A beats B over prompts × topics.

    Attributes:
        share: of the pairs of a prompt and a topic in which A scores higher; ties count half, so that 0.5 is even.
        ties: share of the pairs in which both score the same.
        interval: 95% percentile bootstrap CI of `share`; None for one topic.
    """

    share: float
    ties: float
    interval: tuple[float, float] | None


def percentile_rank(value: float, others: Sequence[float]) -> float:
    """Return the percentage of `others` below a value; those equal to it count half.

    Raises:
        InputError: `others` is empty.
    """
    if not others:
        raise InputError("a percentile needs at least one other value")
    below = sum(other < value - LEAST_DIFFERENCE for other in others)
    equal = sum(abs(other - value) <= LEAST_DIFFERENCE for other in others)
    return 100 * (below + equal / 2) / len(others)


def wins(a: ArrayLike, b: ArrayLike, *, seed: int = 42) -> Wins:
    """Return how often A beats B under the same prompt and on the same topic.

    The bootstrap resamples prompts and topics, each with replacement and independently of the other: the interval is
    for other prompts and other topics of the same kind. Prompts share topics, so resampling cells would be too narrow;
    this errs towards too wide (the pigeonhole bootstrap; Owen, Annals of Applied Statistics 1(2), 2007).

    Args:
        a: scores of A, float [prompts, topics].
        b: scores of B in the same form.
        seed: seed of the bootstrap.

    Raises:
        InputError: the shapes differ, or are empty.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape or first.ndim != 2 or not first.size:
        raise InputError(f"both need scores [prompts, topics] of the same shape, got {first.shape} and {second.shape}")
    differences = first - second
    tied = np.abs(differences) < LEAST_DIFFERENCE
    outcomes = np.where(tied, 0.5, differences > 0)
    prompts, topics = outcomes.shape
    interval = None
    if prompts > 1 and topics > 1:
        rng = np.random.default_rng(seed)
        shares = np.concatenate([_resampled(outcomes, rng, _BLOCK) for _ in range(RESAMPLES // _BLOCK)])
        low, high = np.percentile(shares, [2.5, 97.5])
        interval = float(low), float(high)
    return Wins(float(outcomes.mean()), float(tied.mean()), interval)


def _resampled(outcomes: NDArray[np.float64], rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Return the mean outcome [size] of resamples of both axes; counts times halves are exact in any order."""
    prompts, topics = (rng.multinomial(number, np.full(number, 1 / number), size) for number in outcomes.shape)
    return np.asarray((prompts @ outcomes * topics).sum(axis=1) / outcomes.size)
