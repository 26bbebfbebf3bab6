"""`dim`: vectors truncated to their first dimensions, from whole vectors in the store."""

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer, util
from tiny import INSTRUCTIONS, PASSAGES, QUERIES

from instrerank.encoders import load_encoder, load_scorer
from instrerank.encoders.cascade import Cascade
from instrerank.errors import InputError


@pytest.fixture(scope="module")
def folder(models):
    return models("bert", "matryoshka")


def load(folder, **options):
    return load_scorer(folder, pooling="mean", **{"store": None, **options})


def test_vectors_are_truncated_and_normalised_again(folder):
    whole, cut = load(folder), load(folder, dim=8)
    assert (whole.dimension, cut.dimension) == (32, 8)
    for encode in ("encode_queries", "encode_passages"):
        expected = getattr(whole, encode)(QUERIES).vectors[:, :8]
        found = getattr(cut, encode)(QUERIES).vectors
        np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(load(folder, dim=32).encode_passages(PASSAGES).vectors,
                               whole.encode_passages(PASSAGES).vectors, atol=1e-6)  # fmt: skip


def test_cosines_are_those_of_sentence_transformers(folder):
    reference = SentenceTransformer(str(folder), truncate_dim=8, device="cpu")
    expected = util.cos_sim(reference.encode(QUERIES), reference.encode(PASSAGES)).numpy()
    cut = load(folder, dim=8)
    found = cut.encode_queries(QUERIES).vectors @ cut.encode_passages(PASSAGES).vectors.T
    assert np.abs(found - expected).max() < 1e-5


def test_attention_over_the_instruction_is_truncated_too(folder):
    whole, cut = (load(folder, query_encoding="attention", dim=dim) for dim in (None, 8))
    expected = whole.encode_queries(QUERIES, INSTRUCTIONS).vectors[:, :8]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(cut.encode_queries(QUERIES, INSTRUCTIONS).vectors, expected, atol=1e-6)


def test_dot_products_stay_unnormalised(folder, tmp_path):
    (folder / "instrerank.json").write_text('{"family": "x", "pooling": "mean", "normalize": false}')
    try:
        whole, cut = (load_encoder(folder, store=None, max_length=64, dim=dim) for dim in (None, 8))
    finally:
        (folder / "instrerank.json").unlink()
    np.testing.assert_array_equal(cut.encode_queries(QUERIES).vectors, whole.encode_queries(QUERIES).vectors[:, :8])


def test_all_dims_share_the_vectors_of_the_store(folder, tmp_path, monkeypatch):
    store = tmp_path / "store"
    first = load(folder, store=store, dim=8)
    fresh = first.encode_passages(PASSAGES).vectors
    files = sorted(store.rglob("*"))
    for dim in (None, 8, 16):
        encoder = load(folder, store=store, dim=dim)
        ran = []
        monkeypatch.setattr(encoder.backend, "token_states", ran.append)
        vectors = encoder.encode_passages(PASSAGES).vectors
        assert vectors.shape == (len(PASSAGES), dim or 32)
        assert not ran
        if dim == 8:
            np.testing.assert_array_equal(vectors, fresh)
    assert sorted(store.rglob("*")) == files


def test_a_cascade_and_int8_take_it(folder):
    cascade = load(folder, dtype="cascade", dim=8, cascade_depth=3)
    exact = load(folder, dim=8)
    every = [list(range(len(PASSAGES)))]
    found, expected = (
        scorer.score(scorer.prepare([(QUERIES[0], "")], PASSAGES), [0], every).scores[0] for scorer in (cascade, exact)
    )
    assert np.argsort(-found)[:3].tolist() == np.argsort(-expected)[:3].tolist()
    assert cascade.describe()["dim"] == 8
    assert load(folder, dtype="int8", dim=8).encode_passages(PASSAGES).vectors.shape[1] == 8
    with pytest.raises(InputError, match="same model"):
        Cascade(exact, load(folder, dtype="bfloat16"))


def test_the_sidecar_says_so(folder):
    assert load(folder, dim=8).describe()["dim"] == 8
    assert "dim" not in load(folder).describe()


def test_refusals(folder):
    with pytest.raises(InputError, match="`dim` must be between 1 and 32, the dimension of .*matryoshka, got 33"):
        load(folder, dim=33)
    for dim in (0, -1, 8.0):
        with pytest.raises(InputError, match="`dim` must be a whole number of at least 1"):
            load(folder, dim=dim)
    with pytest.raises(InputError, match="`dim` cannot be used with `kind` crossencoder"):
        load_scorer(folder, kind="crossencoder", dim=8)
