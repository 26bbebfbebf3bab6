import numpy as np
import pytest

from instrerank.encoders.similarity import dot_products
from instrerank.errors import InputError


def test_scores_do_not_depend_on_what_stands_beside_them():
    random = np.random.default_rng(1)
    passages = random.standard_normal((257, 384)).astype(np.float32)
    query = random.standard_normal(384).astype(np.float32)
    together = dot_products(passages, query)
    assert together.dtype == np.float32
    for rows in ([3], [3, 200], list(range(256, -1, -1))):
        assert dot_products(passages[rows], query).tolist() == together[rows].tolist()


def test_broken_vectors_are_reported():
    with pytest.raises(InputError, match="NaN"):
        dot_products(np.full((1, 2), np.nan, np.float32), np.ones(2, np.float32))
