"""Paired comparison of two runs, topic by topic: scipy's tests, corrected over a whole table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from instrerank.errors import InputError

Correction = Literal["holm", "bonferroni"]

RESAMPLES = 10_000
"""Sign flips of the randomisation test and resamples of the bootstrap."""

LEAST_DIFFERENCE = 1e-9
"""Two scores nearer than this tie: the float error of a sum, far below any measure's step."""


@dataclass(frozen=True)
class Comparison:
    """One measure of one run against a baseline; the unit is the topic.

    Attributes:
        topics: how many topics were compared.
        baseline: mean of the baseline.
        mean: mean of the run.
        difference: mean of run − baseline.
        interval: 95 % percentile bootstrap interval of the difference, over topics.
        wins: topics on which the run scores higher.
        ties: topics on which both score the same.
        losses: topics on which the run scores lower.
        p_t_test: two-sided paired t-test.
        p_randomisation: two-sided paired randomisation test (sign flips; exact where there are few topics).
        effect_size: mean difference / standard deviation of the differences (Cohen's d of pairs).

    The interval, the p values and the effect size are None where nothing can be said: fewer than two topics,
    or (p values and effect size) no difference on any topic.
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
        """Ratio of means; None where the baseline is 0."""
        return self.difference / self.baseline if self.baseline else None


def compare(run: ArrayLike, baseline: ArrayLike, *, seed: int = 42, randomisation: bool = True) -> Comparison:
    """Compare per-topic scores [n] of a run with those of a baseline on the same topics, in the same order.

    Seeds of one perturbation are averaged inside the topic first: they are no topics of their own. `randomisation`
    False leaves that test out, by far the slowest part.

    Raises:
        InputError: the two differ in length, or are empty.
    """
    from scipy import stats

    run, baseline = np.asarray(run, np.float64), np.asarray(baseline, np.float64)
    if run.shape != baseline.shape or run.ndim != 1 or not len(run):
        raise InputError(f"paired scores must be of the same topics; given {run.shape} and {baseline.shape}")
    differences = run - baseline
    differences[np.abs(differences) < LEAST_DIFFERENCE] = 0
    several, differ = len(run) > 1, bool(differences.any())
    interval = p_t_test = p_randomisation = effect_size = None
    if several:
        resampled = stats.bootstrap(
            (differences,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(seed)
        ).confidence_interval
        interval = (float(resampled.low), float(resampled.high))
    if several and differ:
        deviation = float(differences.std(ddof=1))
        # the same difference on every topic: a t statistic without end
        p_t_test = float(stats.ttest_rel(run, baseline).pvalue) if deviation > LEAST_DIFFERENCE else 0.0
        if randomisation:
            p_randomisation = float(
                stats.permutation_test(
                    (differences,),
                    lambda values, axis: np.mean(values, axis=axis),
                    permutation_type="samples",
                    vectorized=True,
                    n_resamples=RESAMPLES,
                    rng=np.random.default_rng(seed),
                ).pvalue
            )
        effect_size = float(differences.mean()) / deviation if deviation > LEAST_DIFFERENCE else None
    return Comparison(
        topics=len(run),
        baseline=float(baseline.mean()),
        mean=float(run.mean()),
        difference=float(differences.mean()),
        interval=interval,
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
        p_t_test=p_t_test,
        p_randomisation=p_randomisation,
        effect_size=effect_size,
    )


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
