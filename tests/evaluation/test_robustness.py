import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrerank.errors import InputError
from instrerank.evaluation.robustness import (
    mean_over_seeds,
    prompt_sensitivity,
    robustness_at_k,
    success_rate,
    worst_case,
)

CLEAN = {"1": 0.5, "2": 0.8, "3": 0.0}
VARIANT = {"1": 0.3, "2": 0.8, "3": 0.1}

score_sets = st.lists(st.fixed_dictionaries({qid: st.floats(0, 1) for qid in ("1", "2", "3")}), min_size=1, max_size=6)


def test_means_and_worst_cases_by_hand():
    assert mean_over_seeds([CLEAN, VARIANT]) == pytest.approx({"1": 0.4, "2": 0.8, "3": 0.05})
    assert worst_case([CLEAN, VARIANT]) == {"1": 0.3, "2": 0.8, "3": 0.0}


@given(score_sets)
def test_the_worst_is_no_better_than_the_mean_and_never_rises_with_another_variant(variants):
    worst, mean = worst_case(variants), mean_over_seeds(variants)
    assert all(worst[qid] <= mean[qid] + 1e-12 for qid in worst)
    assert all(worst[qid] <= worst_case(variants[:1])[qid] for qid in worst)
    assert mean_over_seeds(variants[::-1]) == mean


@pytest.mark.parametrize("function", [mean_over_seeds, worst_case])
def test_topics_must_be_the_same(function):
    with pytest.raises(InputError, match="only one of two has 3, 4"):
        function([{"1": 0.5, "3": 0.1}, {"1": 0.5, "4": 0.2}])
    with pytest.raises(InputError, match="at least one"):
        function([])


def test_robustness_at_k():
    scores = {"a_1": 0.9, "a_2": 0.4, "b_1": 0.7, "c": 0.2}
    assert robustness_at_k(scores) == {"a": 0.4, "b": 0.7, "c": 0.2}
    assert robustness_at_k(scores, {"a_1": "x", "a_2": "y", "b_1": "x", "c": "y"}) == {"x": 0.7, "y": 0.2}
    assert robustness_at_k(scores, lambda qid: "all") == {"all": 0.2}
    with pytest.raises(InputError, match="`base_query` has no entry for b_1, c"):
        robustness_at_k(scores, {"a_1": "x", "a_2": "x"})


def test_prompt_sensitivity():
    # deviations −2, 0, 2; 8 / (3 − 1)
    assert prompt_sensitivity([10.0, 12.0, 14.0]) == 2.0
    assert prompt_sensitivity([0.3, 0.3]) == 0.0
    with pytest.raises(InputError, match="at least two prompts, got 1"):
        prompt_sensitivity([0.3])


def test_success_rate():
    assert success_rate(CLEAN, VARIANT, {"1", "2"}) == 0.5
    assert success_rate(CLEAN, VARIANT, ["1", "unjudged"]) == 1.0
    assert success_rate(CLEAN, VARIANT, []) is None
    assert success_rate({"1": 0.1 + 0.2}, {"1": 0.3}, ["1"]) == 0.0, "a float error is no fall"
    with pytest.raises(InputError, match="only one of two has 2, 3"):
        success_rate(CLEAN, {"1": 0.3}, ["1"])
