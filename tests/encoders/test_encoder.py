"""The batching engine, with a network that is transparent: a token's state is a function of its id alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tiny
import torch
from tiny import INSTRUCTIONS, PASSAGES, QUERIES

from instrerank.encoders import Encoder, load_encoder
from instrerank.encoders.batching import length_sorted_batches, padded
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.tokenizing import TextTokenizer
from instrerank.errors import InputError, InstrerankError


class Embedding:
    """A backend that looks states up and remembers what it was asked."""

    hidden_size, dtype, device, workers, batch_tokens, least_batch_tokens = 8, "float32", "cpu", 1, 64, 64

    def __init__(self, memory: int = 10**9, workers: int = 1):
        torch.manual_seed(0)
        self.table = torch.randn(1000, self.hidden_size)
        self.memory, self.workers = memory, workers
        self.batches: list[list[list[int]]] = []
        self.threads: set[int] = set()

    def token_states(self, token_ids):
        self.threads.add(threading.get_ident())
        if len(token_ids) * max(map(len, token_ids)) > self.memory:
            raise torch.OutOfMemoryError("out of memory")
        self.batches.append([list(ids) for ids in token_ids])
        return self.table[[index for ids in token_ids for index in ids]]


def encoder(backend: Embedding, batch_tokens: int | None = None, store=None, **profile) -> Encoder:
    made = EncoderProfile("f", **{"pooling": "mean", **profile})
    tokenizer = TextTokenizer(tiny.wordpiece(), made, {})
    return Encoder("tiny", made, tokenizer, backend, batch_tokens=batch_tokens, store=store)


def test_each_distinct_text_is_encoded_once():
    backend = Embedding()
    found = encoder(backend).encode_passages(["tides", "sand", "tides", "bees", "sand"])
    assert sum(map(len, backend.batches)) == 3
    assert (found.vectors[0] == found.vectors[2]).all() and (found.vectors[1] == found.vectors[4]).all()
    assert found.vectors.dtype == np.float32 and found.token_counts.dtype == np.int64 and found.truncated.dtype == bool
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)


def test_batches_have_texts_of_like_length_within_the_budget():
    backend = Embedding()
    encoder(backend, batch_tokens=60).encode_passages(PASSAGES)
    lengths = [[len(ids) for ids in batch] for batch in backend.batches]
    flat = [length for batch in lengths for length in batch]
    assert flat == sorted(flat, reverse=True)
    assert len(lengths) > 1
    assert all(len(batch) * max(batch) <= 60 or len(batch) == 1 for batch in lengths)


def test_batches_do_not_depend_on_the_order_of_the_texts():
    texts = ["tides follow", "bread rises", "copper turns", "glass"] * 2
    first, second = Embedding(), Embedding()
    found = encoder(first, batch_tokens=12).encode_passages(texts)
    turned = encoder(second, batch_tokens=12).encode_passages(texts[::-1])
    assert first.batches == second.batches
    assert (found.vectors == turned.vectors[::-1]).all()


def test_length_sorted_batches():
    assert length_sorted_batches(["b", "a", "c", "d"], [3, 3, 5, 1], 6) == [[2], [1, 0], [3]]
    assert length_sorted_batches(["a", "b"], [9, 9], 4) == [[0], [1]]
    assert length_sorted_batches([], [], 4) == []


@pytest.mark.parametrize("width", [(), (4,)])
def test_padding_is_on_the_right_and_masked(width):
    rows = [torch.full((length, *width), length) for length in (2, 3, 1)]
    batch, mask = padded(rows, 9)
    assert batch.shape == (3, 3, *width) and mask.tolist() == [[True, True, False], [True] * 3, [True, False, False]]
    assert (batch[mask] == torch.cat(rows)).all() and (batch[~mask] == 9).all()


def test_instructions_reach_the_encoder_each_with_its_own_query():
    """Fails when an instruction is dropped, shared between queries, or given to another query."""
    made = encoder(Embedding())
    together = made.encode_queries(QUERIES, INSTRUCTIONS).vectors
    for at, (query, instruction) in enumerate(zip(QUERIES, INSTRUCTIONS, strict=True)):
        np.testing.assert_allclose(together[at], made.encode_queries([query], [instruction]).vectors[0], atol=1e-6)
        moved = np.abs(together[at] - made.encode_queries([query]).vectors[0]).max()
        assert moved > 0.01 if instruction else moved < 1e-6
    swapped = made.encode_queries(QUERIES, INSTRUCTIONS[::-1]).vectors
    assert (np.abs(swapped - together).max(axis=1) > 0.01).all()


def test_instructions_reach_a_real_network(models):
    made = load_encoder(models("bert", "e5-small-v2"))
    plain = made.encode_queries(QUERIES).vectors
    instructed = made.encode_queries(QUERIES, INSTRUCTIONS).vectors
    moved = np.abs(plain - instructed).max(axis=1)
    assert [change > 0.01 for change in moved] == [bool(instruction) for instruction in INSTRUCTIONS]


def test_one_instruction_for_each_query():
    with pytest.raises(InputError, match="2 queries, but 1 instructions"):
        encoder(Embedding()).encode_queries(["a", "b"], ["only y"])


def test_empty_texts_are_refused_before_anything_runs():
    backend = Embedding()
    with pytest.raises(InputError, match="empty passage"):
        encoder(backend).encode_passages(["tides", " "])
    with pytest.raises(InputError, match="empty query"):
        encoder(backend).encode_queries([""], ["only y"])
    assert not backend.batches


def test_no_texts_give_no_vectors():
    found = encoder(Embedding()).encode_passages([])
    assert found.vectors.shape == (0, 8) and len(found.token_counts) == len(found.truncated) == 0
    attending = encoder(Embedding(), query_encoding="attention")
    assert attending.encode_queries([]).vectors.shape == (0, 8)


def test_truncation_is_counted():
    found = encoder(Embedding(), max_passage_length=10).encode_passages(["tides", PASSAGES[10]])
    assert found.truncated.tolist() == [False, True]
    assert found.token_counts.tolist()[1] == 10


def test_short_memory_halves_the_batch_and_changes_nothing():
    small = Embedding(memory=100)
    made = encoder(small, batch_tokens=1000)
    np.testing.assert_allclose(
        made.encode_passages(PASSAGES[:10]).vectors,
        encoder(Embedding(), batch_tokens=1000).encode_passages(PASSAGES[:10]).vectors,
        atol=1e-6,
    )
    assert len(small.batches) > 1
    with pytest.raises(InstrerankError, match="lower `max_length`"):
        made.encode_passages([PASSAGES[10]])


def test_several_workers_give_what_one_gives():
    one, four = Embedding(), Embedding(workers=4)
    expected = encoder(one, batch_tokens=16).encode_passages(PASSAGES).vectors
    assert (encoder(four, batch_tokens=16).encode_passages(PASSAGES).vectors == expected).all()
    assert threading.get_ident() not in four.threads


def test_threads_may_share_an_encoder(models):
    made = load_encoder(models("distilbert", "msmarco-distilbert-base-tas-b"))
    expected = made.encode_passages(PASSAGES).vectors
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(made.encode_passages, [PASSAGES] * 8):
            np.testing.assert_array_equal(found.vectors, expected)


def test_vectors_that_are_not_finite_are_an_error():
    backend = Embedding()
    backend.table[:] = torch.nan
    with pytest.raises(InputError, match="in float32: its weights are damaged"):
        encoder(backend).encode_passages(["tides"])
    backend.dtype = "float16"
    with pytest.raises(InputError, match="in float16: use `dtype` float32"):
        encoder(backend).encode_queries(["tides"])


def test_a_corpus_larger_than_one_round_of_tokenising(monkeypatch):
    monkeypatch.setattr("instrerank.encoders.encoder.TEXTS_AT_ONCE", 3)
    monkeypatch.setattr("instrerank.encoders.encoder._PAIRS_AT_ONCE", 1)
    expected = encoder(Embedding(), batch_tokens=10**6)
    np.testing.assert_allclose(
        encoder(Embedding()).encode_passages(PASSAGES).vectors, expected.encode_passages(PASSAGES).vectors, atol=1e-6
    )
    attending = encoder(Embedding(), query_encoding="attention").encode_queries(QUERIES, INSTRUCTIONS)
    monkeypatch.undo()
    again = encoder(Embedding(), query_encoding="attention").encode_queries(QUERIES, INSTRUCTIONS)
    np.testing.assert_allclose(attending.vectors, again.vectors, atol=1e-6)


@pytest.mark.parametrize("workers", [1, 2])
def test_after_a_kill_the_same_batches_are_run(tmp_path, monkeypatch, workers):
    """Where a network's bits depend on the batch, a killed and resumed run gives those of a whole one."""
    monkeypatch.setattr("instrerank.encoders.encoder.TEXTS_AT_ONCE", 8)
    monkeypatch.setattr("instrerank.encoders.stores.store.SECONDS_A_SHARD", 0)
    whole, first, second = Embedding(), Embedding(workers=workers), Embedding(workers=workers)
    for backend in (whole, first, second):
        backend.least_batch_tokens = 8
        backend.batch_tokens = 10**6
    expected = encoder(whole).encode_passages(PASSAGES)
    states, died = first.token_states, len(whole.batches) * 2 // 3

    def killed(token_ids):
        if len(first.batches) >= died:
            raise KeyboardInterrupt
        return states(token_ids)

    first.token_states = killed
    with pytest.raises(KeyboardInterrupt):
        encoder(first, store=tmp_path).encode_passages(PASSAGES)
    found = encoder(second, store=tmp_path).encode_passages(PASSAGES)
    kept = len(whole.batches) - len(second.batches)
    assert died - workers < kept <= len(first.batches)
    assert sorted(second.batches) == sorted(whole.batches[kept:])
    assert (found.vectors == expected.vectors).all() and (found.token_counts == expected.token_counts).all()


def test_long_work_says_in_the_log_how_far_it_is(monkeypatch, caplog):
    monkeypatch.setattr("instrerank.encoders.progress._SECONDS_A_LINE", 0)
    with caplog.at_level("INFO"):
        encoder(Embedding()).encode_passages(PASSAGES)
    assert caplog.messages[-1] == f"passages: {len(set(PASSAGES))} of {len(set(PASSAGES))}"


def test_a_batch_must_hold_something():
    with pytest.raises(InputError, match="`batch_tokens` must be at least 1, got 0"):
        encoder(Embedding(), batch_tokens=0)


@pytest.mark.parametrize(("kind", "backend"), [("bert", "PackedBert("), ("llama", "TransformersBackend(LlamaModel: ")])
def test_reprs_tell_what_is_loaded(models, kind, backend):
    made = load_encoder(models(kind, "some-model"), pooling="mean", device="cpu")
    width = made.backend.hidden_size
    assert repr(made) == f"Encoder({made.name!r}: float32 on cpu, {width} dimensions)"
    assert repr(made.backend) == f"{backend}float32 on cpu, hidden size {width})"
    assert repr(made.tokenizer).startswith("TextTokenizer(") and repr(made.tokenizer).endswith(" tokens)")
    found = made.encode_passages(["tides", " ".join(PASSAGES)])
    assert repr(found) == f"Encoded(vectors [2, {width}], 1 texts truncated)"
