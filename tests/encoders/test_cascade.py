"""The cascade's k best are the exact encoder's own, whatever the rough one says within its error."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrerank.encoders.cascade import cascade_scores, contenders
from instrerank.encoders.encoder import Encoded
from instrerank.errors import InputError


@dataclass
class Known:
    """An encoder whose vectors are given; a passage is its own row number."""

    vectors: np.ndarray
    profile: str = "p"
    fingerprint: str = "f"
    name: str = "known"
    asked: list[str] = field(default_factory=list)

    def encode_passages(self, texts: list[str], *, progress: bool = False) -> Encoded:
        self.asked += texts
        rows = self.vectors[[int(text) for text in texts]]
        return Encoded(rows, np.ones(len(rows), np.int64), np.zeros(len(rows), bool))


def drawn(seed: int, error: float, n: int = 600) -> tuple[Known, Known, np.ndarray]:
    draw = np.random.default_rng(seed)
    exact = draw.normal(size=(n, 8)).astype(np.float32)
    rough = exact + draw.uniform(-error, error, exact.shape).astype(np.float32)
    return Known(exact), Known(rough), draw.normal(size=(5, 8)).astype(np.float32)


@pytest.mark.parametrize("error", [0, 0.001, 0.05, 2])
def test_the_best_are_those_of_the_exact_encoder(error: float) -> None:
    exact, rough, queries = drawn(3, error)
    candidates = [list(range(query, 600, 5)) for query in range(5)]
    result = cascade_scores(exact, rough, queries, [str(at) for at in range(600)], candidates, k=10)
    for query, places, scores, is_exact in zip(queries, candidates, result.scores, result.exact, strict=True):
        expected = exact.vectors[places] @ query
        best = np.argsort(-expected)[:10]
        assert np.argsort(-scores)[:10].tolist() == best.tolist()
        np.testing.assert_allclose(scores[best], expected[best], rtol=1e-5)
        assert is_exact[best].all()
    assert len(exact.asked) == len(set(exact.asked)) == result.encoded_again
    if error in (0, 0.001):
        assert result.encoded_again < 200


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30),
    st.integers(1, 12),
    st.floats(0, 0.5),
    st.randoms(use_true_random=False),
)
def test_contenders_hold_every_possible_best(values: list[float], k: int, margin: float, draw) -> None:
    exact = np.array(values, np.float64)
    rough = exact + np.array([draw.uniform(-margin, margin) for _ in values])
    marked = contenders(rough, k, margin * (1 + 1e-9) + 1e-12)
    kth = np.sort(exact)[::-1][min(k, len(exact)) - 1]
    assert marked[exact > kth].all()
    assert (exact[marked] >= kth).sum() >= min(k, len(exact))


def test_two_models_are_refused() -> None:
    exact, rough, queries = drawn(0, 0)
    rough.fingerprint = "other"
    with pytest.raises(InputError, match="one model in two precisions"):
        cascade_scores(exact, rough, queries, ["0"], [[0]] * 5)
    with pytest.raises(InputError, match="keeps the 0 best"):
        cascade_scores(exact, exact, queries, ["0"], [[0]] * 5, k=0)
