"""Vectors equal those of sentence-transformers on the same random weights."""

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tiny import INSTRUCTIONS, PASSAGES, QUERIES

from instrerank.encoders import Encoder, load_encoder
from instrerank.encoders.networks import backends

TOLERANCE = 1e-5


def sentence_transformer(folder: Path, mode: str, side: str = "right", **pooling: object) -> SentenceTransformer:
    """The reference: sentence-transformers on the same weights, with the pooling the family's authors chose."""
    transformer = Transformer(str(folder))
    transformer.tokenizer.padding_side = side
    if transformer.model.config.pad_token_id is None:  # language models have none of their own
        transformer.tokenizer.pad_token = transformer.tokenizer.eos_token
    transformer.max_seq_length = tiny.LENGTH
    pool = Pooling(transformer.get_embedding_dimension(), mode, **pooling)
    return SentenceTransformer(modules=[transformer, pool], device="cpu")


def check(encoder: Encoder, reference: SentenceTransformer, query_texts: list[str], prefix: str) -> None:
    normalize = encoder.profile.normalize
    expected = reference.encode(query_texts, normalize_embeddings=normalize, batch_size=3)
    queries = encoder.encode_queries(QUERIES, INSTRUCTIONS).vectors
    np.testing.assert_allclose(queries, expected, atol=TOLERANCE, rtol=0)
    expected = reference.encode([prefix + p for p in PASSAGES], normalize_embeddings=normalize, batch_size=3)
    passages = encoder.encode_passages(PASSAGES)
    np.testing.assert_allclose(passages.vectors, expected, atol=TOLERANCE, rtol=0)
    assert passages.truncated.tolist() == [False] * 10 + [True, False]
    assert passages.token_counts[10] == tiny.LENGTH
    # one by one, in another order and in other batches
    alone = np.stack([encoder.encode_passages([text]).vectors[0] for text in reversed(PASSAGES)])[::-1]
    np.testing.assert_allclose(alone, passages.vectors, atol=TOLERANCE, rtol=0)


@pytest.fixture(params=["packed", "padded"])
def backend(request, monkeypatch):
    """The fastest backend that runs a model here, and transformers."""
    if request.param == "padded":
        monkeypatch.setattr(backends, "PACKED", ())


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("kind", "name", "mode", "query", "passage"),
    [
        ("bert", "e5-small-v2", "mean", "query: ", "passage: "),
        ("bert", "bge-small-en-v1.5", "cls", "Represent this sentence for searching relevant passages: ", ""),
        ("bert", "contriever", "mean", "", ""),
        ("bert", "gte-small", "mean", "", ""),
        ("bert", "snowflake-arctic-embed-xs", "cls", "Represent this sentence for searching relevant passages: ", ""),
        ("distilbert", "msmarco-distilbert-base-tas-b", "cls", "", ""),
        ("xlm-roberta", "multilingual-e5-small", "mean", "query: ", "passage: "),
        ("xlm-roberta", "bge-m3", "cls", "", ""),
        ("xlm-roberta", "snowflake-arctic-embed-l-v2.0", "cls", "query: ", ""),
        ("modernbert", "gte-modernbert-base", "cls", "", ""),
        ("modernbert", "inf-embed-modernbert", "cls", "", ""),
    ],
)
def test_encoders(models, kind, name, mode, query, passage, side):
    folder = models(kind, name, side=side)
    # absolute positions: padding on the left would shift them, so BERT's reference is always padded on the right
    reference_side = "right" if "bert" in (kind, kind.removeprefix("distil")) else side
    check(load_encoder(folder), sentence_transformer(folder, mode, reference_side), tiny.joined(query), passage)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kind", ["mpnet", "distilbert"])
def test_folders_that_sentence_transformers_saved(models, tmp_path, kind):
    reference = sentence_transformer(models(kind, "unknown"), "mean")
    reference.append(Normalize())
    reference.save(str(tmp_path / "mine"))
    check(load_encoder(tmp_path / "mine"), reference, tiny.joined(""), "")


@pytest.mark.parametrize("side", ["left", "right"])
def test_qwen3_embedding(models, side):
    folder = models("qwen3", "Qwen3-Embedding-0.6B", side=side)
    texts = tiny.instructed("Instruct: {i}\nQuery:{q}")
    check(load_encoder(folder), sentence_transformer(folder, "lasttoken", side), texts, "")


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen3"])
def test_inf_embed_on_a_language_model(models, kind):
    """Its code pools the last token of what the tokenizer gives, and puts no end token there."""
    folder = models(kind, f"inf-embed-{kind}")
    check(load_encoder(folder), sentence_transformer(folder, "lasttoken", "left"), tiny.joined(""), "")


@pytest.mark.parametrize("side", ["left", "right"])
def test_instructor(models, tmp_path, side):
    reference = sentence_transformer(models("t5", "instructor-base", side=side), "mean", side, include_prompt=False)
    torch.manual_seed(1)
    reference.append(Dense(32, 24, bias=False, activation_function=torch.nn.Identity()))
    reference.append(Normalize())
    folder = tmp_path / "instructor-base"
    reference.save(str(folder))
    encoder = load_encoder(folder)
    assert encoder.dimension == 24
    default = "Represent the Wikipedia question for retrieving supporting documents: "
    instructions = ["Represent the question: ", "", "Represent the sea: ", "Find the cause: "]
    expected = [reference.encode(q, prompt=i or default) for q, i in zip(QUERIES, instructions, strict=True)]
    queries = encoder.encode_queries(QUERIES, instructions).vectors
    np.testing.assert_allclose(queries, np.stack(expected), atol=TOLERANCE)
    expected = reference.encode(PASSAGES, prompt="Represent the Wikipedia document for retrieval: ", batch_size=3)
    np.testing.assert_allclose(encoder.encode_passages(PASSAGES).vectors, expected, atol=TOLERANCE)


@pytest.mark.parametrize("mode", ["weightedmean", "lasttoken", "max", "mean_sqrt_len_tokens", ("cls", "mean")])
@pytest.mark.parametrize("include_prompt", [True, False])
def test_sentence_transformers_folder(models, tmp_path, mode, include_prompt):
    """A folder of no known family is used as its modules, prompts, length and similarity say."""
    reference = sentence_transformer(models("bert", "unknown"), mode, include_prompt=include_prompt)
    reference.prompts = {"query": "query: ", "document": "passage: "}
    reference.similarity_fn_name = "dot"
    reference.max_seq_length = 48
    reference.save(str(tmp_path / "mine"))
    encoder = load_encoder(tmp_path / "mine")
    expected = reference.encode_query(QUERIES, batch_size=3)
    np.testing.assert_allclose(encoder.encode_queries(QUERIES).vectors, expected, atol=TOLERANCE)
    expected = reference.encode_document(PASSAGES, batch_size=3)
    passages = encoder.encode_passages(PASSAGES)
    np.testing.assert_allclose(passages.vectors, expected, atol=TOLERANCE)
    assert passages.token_counts.max() == 48
    if include_prompt:
        expected = reference.encode_query(tiny.joined(""))
        np.testing.assert_allclose(encoder.encode_queries(QUERIES, INSTRUCTIONS).vectors, expected, atol=TOLERANCE)
