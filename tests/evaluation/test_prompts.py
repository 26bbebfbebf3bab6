import numpy as np
import pytest

from instrerank.errors import InputError
from instrerank.evaluation.prompts import percentile_rank, wins


def test_the_percentile_counts_equal_values_half():
    assert percentile_rank(0.5, [0.1, 0.5, 0.5 + 1e-12, 0.9]) == 50
    assert percentile_rank(1.0, [0.1, 0.2]) == 100
    with pytest.raises(InputError, match="at least one"):
        percentile_rank(0.5, [])


def test_ties_count_half():
    found = wins([[1, 0, 0.5], [1, 1, 0]], [[0, 1, 0.5 + 1e-12], [0, 0, 1]])
    assert found.share == pytest.approx((3 + 0.5) / 6)
    assert found.ties == pytest.approx(1 / 6)
    back = wins([[0, 1, 0.5], [0, 0, 1]], [[1, 0, 0.5], [1, 1, 0]])
    assert back.share == pytest.approx(1 - found.share)


def test_the_interval_resamples_prompts_as_well_as_topics():
    # A wins on every topic under half of the prompts: other topics change nothing, other prompts everything
    by_prompt = wins(np.repeat([[1.0], [0.0]] * 2, 50, axis=1), np.full((4, 50), 0.5))
    assert by_prompt.share == 0.5
    assert by_prompt.interval == (0.0, 1.0)
    by_topic = wins(np.repeat([[1.0, 0.0] * 25], 4, axis=0), np.full((4, 50), 0.5))
    low, high = by_topic.interval
    assert 0.3 < low < 0.4 < 0.6 < high < 0.7
    assert wins([[1.0, 1.0]] * 2, [[0.0, 0.0]] * 2).interval == (1.0, 1.0)


def test_the_interval_of_independent_prompts_and_topics_has_the_width_of_theory():
    rng = np.random.default_rng(7)
    prompts, topics = rng.normal(size=(30, 1)), rng.normal(size=(1, 60))
    a = np.sign(prompts + topics + rng.normal(size=(30, 60)))
    found = wins(a, np.zeros_like(a))
    outcomes = (a > 0).astype(float)
    # of the two-way bootstrap: variances of row means, of column means, and of cells, each over its number
    variance = outcomes.mean(1).var() / 30 + outcomes.mean(0).var() / 60 + outcomes.var() / (30 * 60)
    low, high = found.interval
    assert high - low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.1)


def test_one_topic_or_prompt_has_no_interval_and_shapes_must_agree():
    assert wins([[1.0], [1.0]], [[0.0], [0.0]]).interval is None
    with pytest.raises(InputError, match="same shape"):
        wins([[1.0, 0.0]], [[1.0], [0.0]])
