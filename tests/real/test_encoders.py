"""Real weights against sentence-transformers; test_dl19 has the effectiveness."""

import gzip
import json

import numpy as np
import pytest

from instrerank.encoders import load_encoder
from instrerank.encoders.locate import locate

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def passages(data):
    with gzip.open(data / "dl19" / "passages.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return {row["id"]: row["contents"] for row in rows}


@pytest.fixture(scope="module")
def topics(data):
    rows = (data / "dl19" / "topics.tsv").read_text("utf-8").splitlines()
    return dict(row.split("\t") for row in rows)


@pytest.fixture(params=["minilm", "mpnet"])
def model(request):
    return locate("minilm") if request.param == "minilm" else request.getfixturevalue("mpnet")


def test_vectors_are_those_of_sentence_transformers(passages, topics, model):
    from sentence_transformers import SentenceTransformer

    texts = list(passages.values())[:2000]
    reference = SentenceTransformer(str(model), device="cpu")
    encoder = load_encoder(model, device="cpu")
    found = encoder.encode_passages(texts)
    assert np.abs(found.vectors - reference.encode(texts)).max() < 1e-5
    queries = encoder.encode_queries(list(topics.values())).vectors
    assert np.abs(queries - reference.encode(list(topics.values()))).max() < 1e-5
    whole = reference.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
    assert found.truncated.tolist() == [len(ids) > reference.max_seq_length for ids in whole]
    assert found.token_counts.tolist() == [min(len(ids), reference.max_seq_length) for ids in whole]
