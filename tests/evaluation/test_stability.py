import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrerank.errors import InputError
from instrerank.evaluation.stability import kendall_tau, overlap, rank_biased_overlap

rankings = st.lists(st.sampled_from("abcdefghijklmnop"), unique=True, max_size=16)
persistences = st.floats(0.05, 0.99)


@pytest.mark.parametrize(
    ("a", "b", "k", "value"),
    [
        ("abcd", "bacx", 2, 1.0),
        ("abcd", "xaby", 2, 0.5),
        ("abcd", "wxyz", 10, 0.0),
        ("abc", "cab", 10, 1.0),
        ("ab", "abcd", 10, 0.5),
        ("", "ab", 5, 0.0),
        ("", "", 5, 1.0),
    ],
)
def test_overlap_by_hand(a, b, k, value):
    assert overlap(a, b, k) == value


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [("abcdefg", "bacdefg", 0.9), ("abcde", "bacfg", 0.619335), ("abc", "bcdae", 0.734445), ("ab", "cd", 0.0)],
)
def test_rank_biased_overlap_as_the_package_rbo(a, b, value):
    """Values of rbo 0.1.3 (`RankingSimilarity.rbo_ext(0.9)`, rounded there to 12 digits)."""
    assert rank_biased_overlap(a, b) == pytest.approx(value, abs=1e-12)


def equation_32(a, b, p):
    """Webber et al. 2010, Eq. 32, term by term."""
    shorter, longer = sorted((len(a), len(b)))

    def x(depth):
        return len(set(a[:depth]) & set(b[:depth]))

    seen = sum(x(d) / d * p**d for d in range(1, longer + 1))
    unseen = sum(x(shorter) * (d - shorter) / (shorter * d) * p**d for d in range(shorter + 1, longer + 1))
    return (1 - p) / p * (seen + unseen) + ((x(longer) - x(shorter)) / longer + x(shorter) / shorter) * p**longer


@given(rankings.filter(bool), rankings.filter(bool), persistences)
def test_rank_biased_overlap_is_equation_32(a, b, p):
    assert rank_biased_overlap(a, b, p) == pytest.approx(equation_32(a, b, p), abs=1e-12)


@given(rankings, rankings, persistences)
def test_ranges_symmetry_and_identity(a, b, p):
    assert 0 <= rank_biased_overlap(a, b, p) <= 1
    assert rank_biased_overlap(a, b, p) == pytest.approx(rank_biased_overlap(b, a, p), abs=1e-15)
    assert rank_biased_overlap(a, a, p) == pytest.approx(1)
    assert overlap(a, a, 5) == 1
    assert 0 <= overlap(a, b, 5) == overlap(b, a, 5) <= 1
    tau = kendall_tau(a, b)
    assert tau == kendall_tau(b, a)
    assert tau is None or -1 <= tau <= 1


@given(rankings.filter(lambda ranking: len(ranking) > 2), st.data())
def test_a_swap_lower_down_costs_less(ranking, data):
    """Rank-biased overlap is top-weighted; Kendall's tau minds only how many pairs turn."""
    upper = data.draw(st.integers(0, len(ranking) - 3))
    swapped = [
        [*ranking[:place], *ranking[place : place + 2][::-1], *ranking[place + 2 :]] for place in range(upper + 2)
    ]
    assert rank_biased_overlap(ranking, swapped[upper]) < rank_biased_overlap(ranking, swapped[upper + 1]) < 1
    assert kendall_tau(ranking, swapped[upper]) == pytest.approx(kendall_tau(ranking, swapped[upper + 1]))


def test_kendall_tau_by_hand():
    assert kendall_tau("abcd", "abcd") == 1.0
    assert kendall_tau("abcd", "dcba") == -1.0
    assert kendall_tau("abcd", "bacd") == pytest.approx((5 - 1) / 6)
    assert kendall_tau("axbyc", "bac") == pytest.approx((2 - 1) / 3), "documents of one ranking only play no part"
    assert kendall_tau("ab", "bc") is None


def test_parameters_out_of_range():
    with pytest.raises(InputError, match="at least 1, got 0"):
        overlap("a", "a", 0)
    for p in (0.0, 1.0):
        with pytest.raises(InputError, match="must be above 0 and below 1"):
            rank_biased_overlap("a", "a", p)
