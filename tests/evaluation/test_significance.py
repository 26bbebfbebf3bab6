import itertools

import numpy as np
import pytest

from instrerank.errors import InputError
from instrerank.evaluation.significance import compare, corrected


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
