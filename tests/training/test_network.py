"""The trainable encoder gives the vectors of `Encoder`, and its gradients do not depend on how it is chunked."""

from dataclasses import replace

import pytest
import torch

from instrerank.encoders import LoadOptions, load_encoder
from instrerank.encoders.loading import build_encoder, find_model
from instrerank.encoders.networks.transformers import load_network
from instrerank.encoders.tokenizing import load_tokenizer
from instrerank.training.network import TrainableEncoder

QUERIES = ["why does copper turn green", "Who built the first telescope?", "tides"]
INSTRUCTIONS = [
    "Only passages that explain the cause are relevant.",
    "",
    "Find texts that mention neither boats nor fish",
]
PASSAGES = ["Copper turns green because it reacts with water and air.", "Sand.", "Tides follow the moon. " * 9]
PAIRS = list(zip(QUERIES, INSTRUCTIONS, strict=True))


def trainable(folder, pooling, encoding="concatenation", **settings):
    files = find_model(folder, pooling=pooling, query_encoding=encoding)
    network = load_network(files.layout.network, "AutoModel", dtype="float32", device="cpu")
    return TrainableEncoder(network, files.profile, load_tokenizer(files.layout.network, files.profile), **settings)


@pytest.mark.parametrize("kind", ["bert", "modernbert", "xlm-roberta", "llama"])
@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_vectors_equal_those_of_the_encoder(models, kind, pooling):
    folder = models(kind, "some-model")
    encoder = load_encoder(folder, pooling=pooling)
    queries, passages = trainable(folder, pooling)(PAIRS, PASSAGES)
    torch.testing.assert_close(
        queries.detach().numpy(), encoder.encode_queries(QUERIES, INSTRUCTIONS).vectors, atol=1e-5, rtol=0
    )
    torch.testing.assert_close(passages.detach().numpy(), encoder.encode_passages(PASSAGES).vectors, atol=1e-5, rtol=0)


def test_vectors_of_attention_equal_those_of_the_encoder(models):
    folder = models("bert", "some-model")
    encoder = load_encoder(folder, pooling="mean", query_encoding="attention")
    queries, _ = trainable(folder, "mean", "attention")(PAIRS, PASSAGES)
    wanted = encoder.encode_queries(QUERIES, INSTRUCTIONS).vectors
    torch.testing.assert_close(queries.detach().numpy(), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("encoding", ["concatenation", "attention"])
def test_a_prefix_that_is_not_pooled_is_not_pooled_in_training(models, encoding):
    """Fails when a query without instruction is pooled over its prefix too."""
    files = find_model(models("bert", "some-model"), pooling="mean", query_template="query: {q} {i}")
    profile = replace(files.profile, pool_prefix=False, query_encoding=encoding)
    network = load_network(files.layout.network, "AutoModel", dtype="float32", device="cpu")
    tokenizer = load_tokenizer(files.layout.network, profile)
    encoder = build_encoder(files._replace(profile=profile), LoadOptions(store=None, device="cpu"))
    queries, _ = TrainableEncoder(network, profile, tokenizer)(PAIRS, PASSAGES)
    wanted = encoder.encode_queries(QUERIES, INSTRUCTIONS).vectors
    torch.testing.assert_close(queries.detach().numpy(), wanted, atol=1e-5, rtol=0)


def gradients(model):
    model.zero_grad()
    queries, passages = model(PAIRS, PASSAGES)
    (queries @ passages.T).exp().sum().backward()
    return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("encoding", ["concatenation", "attention"])
def test_cached_gradients_are_exact(models, encoding):
    folder = models("bert", "some-model")
    plain = gradients(trainable(folder, "mean", encoding))
    for tokens in (None, 40):
        cached = gradients(trainable(folder, "mean", encoding, batch_tokens=tokens, cache_gradients=True))
        assert len(plain) == len(cached) > 20
        for one, other in zip(plain, cached, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_cached_gradients_repeat_the_dropout(models):
    found = []
    for cached in (False, True):
        model = trainable(models("bert", "some-model"), "mean", batch_tokens=40, cache_gradients=cached).train()
        torch.manual_seed(1)
        found.append(gradients(model))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    torch.manual_seed(2)
    assert not torch.allclose(gradients(model)[0], found[1][0], atol=1e-4)


def test_cached_gradients_hold_the_states_of_no_chunk(models):
    """What the graph keeps of the network's activations between the forward and the backward pass."""

    def kept(cached):
        model = trainable(models("bert", "some-model"), "mean", batch_tokens=40, cache_gradients=cached)
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            model(PAIRS, PASSAGES)
        return sum(sizes)

    assert kept(True) < kept(False) / 20


def test_attention_encodes_each_query_and_instruction_once(models, monkeypatch):
    model = trainable(models("bert", "some-model"), "mean", "attention")
    encoded = []
    encode = model.tokenizer.encode
    monkeypatch.setattr(
        model.tokenizer, "encode", lambda texts, length: encoded.extend(texts) or encode(texts, length)
    )
    model([(query, text) for query in QUERIES for text in INSTRUCTIONS], ["Sand."])
    assert len(encoded) == len(set(encoded)) == 3 + 2 + 1
