import pytest

from instrerank.errors import InputError
from instrerank.evaluation.win_rates import win_rate


def test_the_unit_is_the_topic_and_a_tie_is_half_a_win():
    rate = win_rate({"1": [0.1, 0.2, 0.3, -1.0], "2": [-0.5], "3": [0.0], "4": []})
    assert (rate.topics, rate.pairs, rate.ties) == (3, 6, 1)
    assert rate.win_rate == pytest.approx((0.75 + 0 + 0.5) / 3)
    assert rate.low <= rate.win_rate <= rate.high


def test_always_and_never():
    always = win_rate({str(n): [1.0] for n in range(5)})
    assert (always.win_rate, always.low, always.high, always.p) == (1, 1, 1, 0)
    tied = win_rate({"1": [0.0], "2": [0.0]})
    assert (tied.win_rate, tied.low, tied.p) == (0.5, 0.5, None)


def test_one_topic_has_no_interval_and_none_is_refused():
    assert win_rate({"1": [0.3]})[3:] == (1.0, None, None, None)
    with pytest.raises(InputError, match="at least one pair"):
        win_rate({"1": []})
