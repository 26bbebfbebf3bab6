"""Paired comparison of two runs over topics, with scipy's tests, corrected over a whole table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instrerank.errors import InputError
from instrerank.evaluation.means import mean
from instrerank.trec.problems import listed

Correction = Literal["holm", "bonferroni"]

RESAMPLES = 10_000
"""Sign flips of the randomisation test and resamples of the bootstrap."""

_BLOCK = 250
"""Resamples drawn at a time: memory grows with topics × block. Results do not depend on it, except for a last block
of one, whose mean numpy sums in another order; 250 leaves none for 10,000 or the 2^n flips of an exact test."""

LEAST_DIFFERENCE = 1e-9
"""Two scores closer than this are tied: the float error of a sum, far below the step of any measure."""


@dataclass(frozen=True)
class Comparison:
    """One measure of one run against a baseline; the unit is the topic.

    Attributes:
        topics: number of topics compared.
        baseline: mean of the baseline.
        mean: mean of the run.
        difference: mean of run − baseline.
        interval: 95% percentile bootstrap CI of the difference over topics.
        wins: number of topics on which the run scores higher.
        ties: number of topics on which both score the same.
        losses: number of topics on which the run scores lower.
        p_t_test: p value of the two-sided paired t-test.
        p_randomisation: p value of the two-sided paired randomisation test (sign flips; exact for few topics).
        effect_size: mean difference / standard deviation of the differences (Cohen's d for paired samples).

    The CI, the p values and the effect size are None if they are undefined: fewer than two topics, or (p values
    and effect size) no difference on any topic.
    """

    topics: int
    baseline: float
    mean: float
    difference: float
    interval: tuple[float, float] | None
    wins: int
    ties: int
    losses: int
    p_t_test: float | None
    p_randomisation: float | None
    effect_size: float | None

    @property
    def relative_difference(self) -> float | None:
        """Difference relative to the baseline; None if the baseline is 0."""
        return self.difference / self.baseline if self.baseline else None


def mean_interval(values: ArrayLike, *, seed: int = 42) -> tuple[float, float] | None:
    """Return the 95% percentile bootstrap CI of the mean of per-topic values [n]; None for fewer than two topics."""
    from scipy import stats

    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return None
    resampled = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=_BLOCK,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(resampled.low), float(resampled.high)


def mean_and_interval(values: Mapping[str, float]) -> tuple[float | None, float | None, float | None]:
    """Return the mean of values by qid and its CI (see `mean_interval`); None if undefined."""
    if not values:
        return None, None, None
    return mean(values), *(mean_interval(list(values.values())) or (None, None))


def compare(
    run: Mapping[str, float] | ArrayLike,
    baseline: Mapping[str, float] | ArrayLike,
    *,
    seed: int = 42,
    randomisation: bool = True,
) -> Comparison:
    """Compare per-topic scores of a run with those of a baseline on the same topics.

    Average the seeds of one perturbation within each topic first, since seeds are not independent topics.

    Args:
        run: scores by qid, whose means are then computed as in trec_eval (`instrerank.evaluation.means`); or scores
        [n].
        baseline: scores in the same form; scores [n] in the same order.
        seed: seed of the bootstrap and the sign flips.
        randomisation: False skips the randomisation test, by far the slowest part.

    Raises:
        InputError: the two differ in topics or length, or are empty.
    """
    qids, run, baseline = _paired(run, baseline)
    differences = run - baseline
    differences[np.abs(differences) < LEAST_DIFFERENCE] = 0
    p_t_test = p_randomisation = effect_size = None
    if len(run) > 1 and differences.any():
        from scipy import stats

        deviation = float(differences.std(ddof=1))
        # the same difference on every topic: a t statistic without end
        p_t_test = float(stats.ttest_rel(run, baseline).pvalue) if deviation > LEAST_DIFFERENCE else 0.0
        p_randomisation = _p_of_sign_flips(differences, seed) if randomisation else None
        effect_size = float(differences.mean()) / deviation if deviation > LEAST_DIFFERENCE else None
    means = [
        mean(dict(zip(qids, scores.tolist(), strict=True)) if qids else scores.tolist())
        for scores in (baseline, run, differences)
    ]
    return Comparison(
        topics=len(run),
        baseline=means[0],
        mean=means[1],
        difference=means[2],
        interval=mean_interval(differences, seed=seed),
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
        p_t_test=p_t_test,
        p_randomisation=p_randomisation,
        effect_size=effect_size,
    )


def _paired(
    run: Mapping[str, float] | ArrayLike, baseline: Mapping[str, float] | ArrayLike
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Return the qids (none for plain arrays) and both scores [n] in the order of the baseline."""
    qids: list[str] = []
    if isinstance(run, Mapping) and isinstance(baseline, Mapping):
        differing = sorted(run.keys() ^ baseline.keys())
        if differing:
            raise InputError(f"paired scores must cover the same topics; only one of two has {listed(differing)}")
        qids = list(baseline)
        run, baseline = [run[qid] for qid in qids], list(baseline.values())
    scores, others = np.asarray(run, np.float64), np.asarray(baseline, np.float64)
    if scores.shape != others.shape or scores.ndim != 1 or not len(scores):
        raise InputError(f"paired scores must cover the same topics, got shapes {scores.shape} and {others.shape}")
    return qids, scores, others


def _p_of_sign_flips(differences: NDArray[np.float64], seed: int) -> float:
    from scipy import stats

    tested = stats.permutation_test(
        (differences,),
        lambda values, axis: np.mean(values, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=_BLOCK,
        rng=np.random.default_rng(seed),
    )
    return float(tested.pvalue)


def corrected(p_values: Sequence[float | None], correction: Correction = "holm") -> list[float | None]:
    """Correct p values for the number of tests in one table; None (no test) stays None and does not count.

    Holm (1979): p_(i) = max over j ≤ i of min(1, (m − j + 1) · p_(j)), p_(1) ≤ … ≤ p_(m); Bonferroni: min(1, m · p).
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    result: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(tested):
        factor = len(tested) - rank if correction == "holm" else len(tested)
        adjusted = min(1.0, factor * p)
        highest = max(highest, adjusted) if correction == "holm" else adjusted
        result[place] = highest
    return result
