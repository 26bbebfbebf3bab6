import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrerank.errors import InputError
from instrerank.evaluation.infosearch import gold_documents, sicr_by_topic, wise_by_topic
from instrerank.trec import Run, ScoredDoc


def run(rank, score=None, length=40):
    """Rank `gold` there, or not at all; one more document stands below than above, so that any rank is free."""
    others = [ScoredDoc(f"x{n}", 1000.0 - 10 * n) for n in range(length)]
    if rank is None:
        return Run("t", {"1": others})
    return Run("t", {"1": [*others, ScoredDoc("gold", 1005.0 - 10 * (rank - 1) if score is None else score)]})


def sicr(o, n, r):
    return sicr_by_topic(run(o), run(n), run(r), {"1": ["gold"]})["1"]


def wise(o, n, r, count=3, **release):
    excluded = {"1": [f"x{n}" for n in range(count - 1)]}
    return wise_by_topic(run(o), run(n), run(r), {"1": ["gold"]}, excluded, **release)["1"]


@pytest.mark.parametrize(
    ("o", "n", "r", "value"),
    [
        (5, 2, 9, 1),
        (5, 5, 9, 0),  # no rise
        (5, 2, 5, 0),  # no fall
        (5, 7, 9, 0),
        (1, 1, 2, 1),  # nothing above the first rank
        (1, 1, 1, 0),
        (1, 2, 3, 0),
        (None, 2, 9, 0),
        (5, 2, None, 0),
    ],
)
def test_sicr_by_hand(o, n, r, value):
    assert sicr(o, n, r) == value


def test_sicr_wants_the_scores_to_move_too():
    """The rank moves because others did; the gold document's own score stays, or moves the wrong way."""
    original, instructed, reverse = run(5, 960.0), run(2, 990.0), run(9, 920.0)
    assert sicr_by_topic(original, instructed, reverse, {"1": ["gold"]}) == {"1": 1.0}
    raised = Run("t", {"1": [ScoredDoc(docid, score + 500) for docid, score in reverse.rankings["1"]]})
    assert sicr_by_topic(original, instructed, raised, {"1": ["gold"]}) == {"1": 0.0}
    assert sicr_by_topic(original, instructed, reverse, {"1": ["gold", "nowhere"]}) == {"1": 0.5}


@pytest.mark.parametrize(
    ("o", "n", "r", "count", "value"),
    [
        (2, 1, 3, 3, 1),
        (1, 1, 2, 2, 1),  # stays first
        (3, 1, 4, 3, 1 - math.sqrt(2) / 20),  # o < c does not hold
        (6, 2, 9, 3, (1 - 2 / 20) / math.sqrt(2)),
        (5, 5, 9, 3, 1 / math.sqrt(5)),
        (20, 1, 21, 3, 1 - math.sqrt(19) / 20),
        (21, 1, 22, 3, 0.01),
        (5, 10, 9, 3, -0.5),  # fell under the instruction
        (5, 10, 5, 3, -0.5),
        (5, 10, 4, 3, -1),  # and rose under the reverse
        (5, 5, 2, 3, 0),  # o ≤ n goes before r ≤ o
        (5, 2, 5, 3, 0),
        (10, 2, 5, 3, -0.5),  # rose under the reverse
    ],
)
def test_wise_by_hand(o, n, r, count, value):
    assert wise(o, n, r, count) == pytest.approx(value)


def test_the_first_release_of_wise():
    assert wise(6, 2, 9, release=1) == pytest.approx((1 - 4 / 20) / math.sqrt(2))
    assert wise(5, 10, 4, release=1) == -0.5
    assert wise(20, 1, 21, release=1) < wise(20, 20, 21, release=1), "why there is a second"


def test_wise_skips_what_a_run_lacks():
    excluded = {"1": ["x0"]}
    assert wise_by_topic(run(5), run(10), run(9), {"1": ["gold", "nowhere"]}, excluded) == {"1": -0.5}
    assert wise_by_topic(run(5), run(None), run(9), {"1": ["gold"]}, excluded) == {}


ranks = st.integers(1, 40)


@given(ranks, ranks, ranks, st.integers(2, 10))
def test_what_complies_is_rewarded_and_what_goes_wrong_is_not(o, n, r, count):
    value = wise(o, n, r, count)
    assert -1 <= value <= 1
    assert (value > 0) == (n <= o < r)
    assert sicr(o, n, r) <= (value > 0)


@given(ranks, st.data())
def test_no_rise_is_worth_more_than_the_one_to_the_first_rank(o, data):
    n = data.draw(st.integers(1, o))
    assert wise(o, 1, o + 1) >= wise(o, n, o + 1)


def test_gold_documents():
    original = {"1": {"a": 2, "b": 1, "c": 0}, "2": {"a": 1}, "3": {"a": 2}}
    changed = {"1": {"a": 0, "b": 1, "c": 0}, "2": {"a": 1}, "3": {"a": 0}}
    assert gold_documents(original, changed) == {"1": ["b"]}, "2 changes nothing, 3 keeps nothing"


def test_nothing_to_measure():
    with pytest.raises(InputError, match="no topic has both"):
        sicr_by_topic(run(1), run(1), run(1), {})
    with pytest.raises(InputError, match="run under the reversed instructions has no results for 1 topic, first 1"):
        wise_by_topic(run(1), run(1), Run("t", {}), {"1": ["gold"]}, {"1": ["x0"]})
