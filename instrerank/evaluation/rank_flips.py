"""How probable it is that a perturbation reverses the order of two systems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instrerank.errors import InputError
from instrerank.evaluation.significance import LEAST_DIFFERENCE, RESAMPLES

_BLOCK = 250
"""Resamples at a time: memory grows with topics × block."""


class Flip(NamedTuple):
    """The order of two systems A and B on clean and on perturbed queries.

    Attributes:
        clean: mean of A − B on clean queries.
        perturbed: mean of A − B on perturbed queries; perturbations have equal weight, and so have their seeds.
        probability: share of the resamples in which one system is better on clean queries and the other on perturbed
            ones; None for a single topic.
    """

    clean: float
    perturbed: float
    probability: float | None

    @property
    def flipped(self) -> bool:
        """Whether the order of the means is reversed."""
        return bool(_sign(np.asarray(self.clean)) * _sign(np.asarray(self.perturbed)) < 0)


def rank_flip(
    clean: NDArray[np.float64], perturbed: Sequence[NDArray[np.float64]], *, resamples: int = RESAMPLES, seed: int = 42
) -> Flip:
    """Return the order of two systems, and the bootstrap probability that it flips.

    Each resample draws topics with replacement, the same for clean and perturbed queries, and for each perturbation
    draws seeds with replacement, the same for all topics (one seed is one query set) and both systems. A system that
    equals the other on either side does not flip. Resampling topics follows Sakai (SIGIR 2006, bootstrap comparison of
    systems); drawing seeds within perturbations is the two-stage bootstrap of Davison & Hinkley (1997, section 3.8).

    Args:
        clean: score of A − score of B for each topic, [n].
        perturbed: for each perturbation the same differences, [seeds, n].
        resamples: number of resamples.
        seed: seed of the resampling.

    Raises:
        InputError: no topics, no perturbations, or numbers of topics that differ.
    """
    if not len(clean) or not perturbed or any(draws.shape[1:] != clean.shape or not len(draws) for draws in perturbed):
        raise InputError(
            f"a rank flip needs the same topics clean and perturbed, got shapes {clean.shape} and "
            f"{[draws.shape for draws in perturbed]}"
        )
    return rank_flips(clean[None], [draws[None] for draws in perturbed], resamples=resamples, seed=seed)[0]


def rank_flips(
    clean: NDArray[np.float64], perturbed: Sequence[NDArray[np.float64]], *, resamples: int = RESAMPLES, seed: int = 42
) -> list[Flip]:
    """Return what `rank_flip` returns for each of many pairs on the same query sets, which share their resamples.

    Args:
        clean: score of A − score of B of each pair for each topic, [pairs, n].
        perturbed: for each perturbation the same differences, [pairs, seeds, n].
        resamples: number of resamples.
        seed: seed of the resampling.
    """
    pairs, n = clean.shape
    means = [
        (float(clean[at].mean()), float(np.mean([draws[at].mean() for draws in perturbed]))) for at in range(pairs)
    ]
    if n < 2:
        return [Flip(*each, None) for each in means]
    rng = np.random.default_rng(seed)
    flips = np.zeros(pairs, np.int64)
    for start in range(0, resamples, _BLOCK):
        block = min(_BLOCK, resamples - start)
        topics = _shares(rng, n, block)
        resampled = np.zeros((block, pairs))
        for draws in perturbed:
            weights = _shares(rng, draws.shape[1], block)[:, :, None] * topics[:, None]
            resampled += weights.reshape(block, -1) @ draws.reshape(pairs, -1).T
        flips += (_sign(topics @ clean.T) * _sign(resampled / len(perturbed)) < 0).sum(0)
    return [Flip(*each, share) for each, share in zip(means, (flips / resamples).tolist(), strict=True)]


def _shares(rng: np.random.Generator, n: int, block: int) -> NDArray[np.float64]:
    """Return how large a share each of n items has in samples of n with replacement, [block, n]."""
    return rng.multinomial(n, np.full(n, 1 / n), size=block) / n


def _sign(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sign of differences; 0 for a float error."""
    return np.where(np.abs(differences) < LEAST_DIFFERENCE, 0.0, np.sign(differences))
