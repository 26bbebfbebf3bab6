import numpy as np
import pytest

from instrerank.errors import InputError
from instrerank.evaluation.rank_flips import rank_flip, rank_flips


def test_the_same_difference_never_flips_and_a_reversed_one_always_does():
    clean = np.array([0.1, 0.2, 0.3])
    same = rank_flip(clean, [np.array([clean])])
    assert (same.flipped, same.probability) == (False, 0.0)
    reversed_ = rank_flip(clean, [np.array([-clean, -clean / 2])])
    assert (reversed_.flipped, reversed_.probability) == (True, 1.0)
    assert reversed_.perturbed == pytest.approx(-0.15)


def test_the_probability_over_seeds_is_that_of_the_draws():
    """Every topic alike, so that only seeds matter: the mean of two drawn from (+3, −1, −1, −1) …"""
    clean = np.ones(5)
    draws = np.array([[3.0] * 5, [-1.0] * 5, [-1.0] * 5, [-1.0] * 5])
    flip = rank_flip(clean, [draws], resamples=4000)
    # four draws with replacement: below 0 without any +3; with one the mean is 0, which is not a flip
    assert flip.probability == pytest.approx(0.75**4, abs=0.02)


def test_the_probability_over_topics_is_that_of_the_draws():
    clean, perturbed = np.ones(2), np.array([[1.0, -2.0]])
    # of two topics with replacement: (1, 1) keeps the order, the other three of four have a negative sum
    assert rank_flip(clean, [perturbed], resamples=4000).probability == pytest.approx(0.75, abs=0.02)


def test_perturbations_have_equal_weight_whatever_their_seeds():
    clean = np.ones(3)
    flip = rank_flip(clean, [np.full((1, 3), 1.0), np.full((9, 3), -0.9)])
    assert flip.perturbed == pytest.approx(0.05)
    assert flip.probability == 0


def test_ties_do_not_flip_and_one_topic_has_no_probability():
    tied = rank_flip(np.zeros(4), [np.full((1, 4), -1.0)])
    assert (tied.flipped, tied.probability) == (False, 0.0)
    single = rank_flip(np.array([0.2]), [np.array([[-0.1]])])
    assert (single.flipped, single.probability) == (True, None)


@pytest.mark.parametrize("perturbed", [[], [np.zeros((2, 4))], [np.zeros((0, 3))]])
def test_other_topics_are_refused(perturbed):
    with pytest.raises(InputError, match="the same topics clean and perturbed"):
        rank_flip(np.ones(3), perturbed)


def test_many_pairs_at_once_are_each_pair_alone():
    rng = np.random.default_rng(3)
    clean, perturbed = rng.normal(0.1, 1, (4, 12)), [rng.normal(0, 1, (4, seeds, 12)) for seeds in (1, 3)]
    alone = [rank_flip(clean[at], [draws[at] for draws in perturbed]) for at in range(4)]
    assert rank_flips(clean, perturbed) == alone
    assert len({each.probability for each in alone}) == 4
