"""The cascade's k best are the exact encoder's own, whatever the rough one says within its error."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import PASSAGES, QUERIES

from instrerank.encoders import load_scorer
from instrerank.encoders.cascade import Cascade, CascadeTexts, contenders
from instrerank.encoders.encoder import Encoded
from instrerank.errors import InputError


@dataclass
class Known:
    """An encoder whose vectors are given; a passage is its own row number."""

    vectors: np.ndarray
    profile: str = "p"
    fingerprint: str = "f"
    revision: str | None = None
    dim: int | None = None
    name: str = "known"
    device: str = "cpu"
    asked: list[str] = field(default_factory=list)

    def encode_passages(self, texts: list[str], *, progress: bool = False) -> Encoded:
        self.asked += texts
        rows = self.vectors[[int(text) for text in texts]]
        return encoded(rows)


PLACES = [str(at) for at in range(600)]


def encoded(vectors: np.ndarray) -> Encoded:
    return Encoded(vectors, np.ones(len(vectors), np.int64), np.zeros(len(vectors), bool))


def drawn(seed: int, error: float, n: int = 600) -> tuple[Known, Known, np.ndarray]:
    draw = np.random.default_rng(seed)
    exact = draw.normal(size=(n, 8)).astype(np.float32)
    rough = exact + draw.uniform(-error, error, exact.shape).astype(np.float32)
    return Known(exact), Known(rough), draw.normal(size=(5, 8)).astype(np.float32)


@pytest.mark.parametrize("error", [0, 0.001, 0.05, 2])
def test_the_best_are_those_of_the_exact_encoder(error: float) -> None:
    exact, rough, queries = drawn(3, error)
    candidates = [list(range(query, 600, 5)) for query in range(5)]
    cascade = Cascade(exact, rough)
    prepared = CascadeTexts(encoded(queries), rough.encode_passages(PLACES), PLACES)
    result = cascade.score(prepared, range(5), candidates)
    for query, places, scores, is_exact in zip(queries, candidates, result.scores, result.exact, strict=True):
        expected = exact.vectors[places] @ query
        best = np.argsort(-expected)[:10]
        assert np.argsort(-scores)[:10].tolist() == best.tolist()
        np.testing.assert_allclose(scores[best], expected[best], rtol=1e-5)
        assert is_exact[best].all()
    assert len(exact.asked) == len(set(exact.asked)) == result.encoded_again
    assert result.details["cascade"]["passages encoded again"] == result.encoded_again
    again = cascade.score(prepared, [3], candidates[3:4])
    alone = Cascade(Known(exact.vectors), rough).score(prepared, [3], candidates[3:4])
    assert again.scores[0].tolist() == alone.scores[0].tolist()  # what was asked before leaves no trace
    assert again.encoded_again == alone.encoded_again
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
    exact, rough, _ = drawn(0, 0)
    rough.fingerprint = "other"
    with pytest.raises(InputError, match="the same model in two precisions"):
        Cascade(exact, rough)
    with pytest.raises(InputError, match="`cascade_depth` must be at least 1, got 0"):
        Cascade(exact, exact, 0)


def test_one_model_in_two_precisions(models: Callable[..., Path]) -> None:
    cascade = load_scorer(models("bert", "unknown"), dtype="cascade", cascade_depth=2, pooling="mean")
    assert (cascade.exact.dtype, cascade.rough.dtype, cascade.depth) == ("float32", "bfloat16", 2)
    queries = cascade.exact.encode_queries(QUERIES).vectors
    prepared = cascade.prepare([(query, "") for query in QUERIES], PASSAGES)
    found = cascade.score(prepared, range(len(QUERIES)), [range(len(PASSAGES))] * len(QUERIES))
    vectors = cascade.exact.encode_passages(PASSAGES)
    for query, scores in zip(queries, found.scores, strict=True):
        expected = vectors.vectors @ query
        assert np.argsort(-scores)[:2].tolist() == np.argsort(-expected)[:2].tolist()
    assert found.passages_truncated.tolist() == vectors.truncated.tolist() and vectors.truncated.any()
