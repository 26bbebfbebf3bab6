import itertools
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from instrerank.errors import InputError
from instrerank.evaluation.means import mean
from instrerank.evaluation.significance import compare, corrected, mean_and_interval, mean_interval


def test_against_every_sign_flip():
    """The exact randomisation test by brute force over all 2^n flips."""
    run, baseline = np.array([0.9, 0.4, 0.7, 0.8, 0.2, 0.6]), np.array([0.5, 0.45, 0.3, 0.6, 0.1, 0.55])
    differences = run - baseline
    flipped = [np.mean(differences * signs) for signs in itertools.product((1, -1), repeat=6)]
    exact = np.mean(np.abs(flipped) >= abs(differences.mean()) - 1e-12)
    comparison = compare(run, baseline)
    assert comparison.p_randomisation == pytest.approx(exact)
    assert (comparison.wins, comparison.ties, comparison.losses) == (5, 0, 1)
    assert comparison.effect_size == pytest.approx(differences.mean() / differences.std(ddof=1))
    low, high = comparison.interval
    assert low < comparison.difference < high
    assert compare(run, baseline) == comparison, "seeded: the same again"


def test_t_test_by_hand():
    # differences 1, 2, 3: t = 2 / (1 / sqrt(3)) = 3.4641, two degrees of freedom
    assert compare([1, 2, 3], [0, 0, 0]).p_t_test == pytest.approx(0.0741799, abs=1e-6)


def test_what_cannot_be_said_is_none_not_nan():
    one = compare([0.5], [0.3])
    assert (one.interval, one.p_t_test, one.p_randomisation, one.effect_size) == (None, None, None, None)
    same = compare([0.5, 0.3], [0.5, 0.3])
    assert (same.p_t_test, same.p_randomisation, same.effect_size, same.ties) == (None, None, None, 2)
    assert compare([0.5, 0.6], [0.0, 0.0]).relative_difference is None
    with pytest.raises(InputError, match="same topics"):
        compare([0.5], [0.3, 0.4])


def test_holm_and_bonferroni():
    # Holm (1979): 4 · 0.005, 3 · 0.01, 2 · 0.03, then the maximum so far
    assert corrected([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert corrected([0.01, None, 0.6], "bonferroni") == [pytest.approx(0.02), None, 1.0]


@pytest.mark.parametrize("topics", [2, 7, 12, 13, 14, 43])
def test_blocks_do_not_change_a_digit(topics):
    rng = np.random.default_rng(topics)
    run, baseline = rng.random(topics).round(2), rng.random(topics).round(2)
    options = {"n_resamples": 10_000}
    whole = stats.bootstrap((run,), np.mean, method="percentile", rng=np.random.default_rng(42), **options)
    assert mean_interval(run) == tuple(whole.confidence_interval)
    flips = stats.permutation_test(
        (run - baseline,),
        lambda values, axis: np.mean(values, axis=axis),
        permutation_type="samples",
        vectorized=True,
        rng=np.random.default_rng(42),
        **options,
    )
    assert compare(run, baseline).p_randomisation == flips.pvalue


def test_memory_does_not_grow_with_resamples_times_topics():
    run, baseline = np.random.default_rng(0).random((2, 3000))
    tracemalloc.start()
    compare(run, baseline)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000 * 3000 * 8 / 2


def test_scores_by_qid_have_trec_evals_means():
    rng = np.random.default_rng(0)
    qids = [str(qid) for qid in rng.permutation(40)]
    run, baseline = ({qid: float(value) for qid, value in zip(qids, rng.random(40), strict=True)} for _ in range(2))
    shuffled = dict(sorted(run.items()))
    comparison = compare(shuffled, baseline)
    assert (comparison.mean, comparison.baseline) == (mean(run), mean(baseline))
    assert comparison.interval == compare(list(run.values()), list(baseline.values())).interval
    assert mean_and_interval(run)[0] == mean(run)
    assert mean_and_interval({}) == (None, None, None)
    with pytest.raises(InputError, match="same topics; only one of two has 41"):
        compare(run | {"41": 1.0}, baseline)
