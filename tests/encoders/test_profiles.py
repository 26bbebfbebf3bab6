import html
import json
from pathlib import Path

import pytest

from instrerank.encoders.families.profiles import PROFILE_FILE, EncoderProfile, read_profile, write_profile
from instrerank.encoders.families.table import FAMILIES, match_family
from instrerank.errors import InputError


@pytest.mark.parametrize(
    ("name", "network", "family", "pooling"),
    [
        ("intfloat/e5-base-v2", "bert", "e5", "mean"),
        ("/models/e5-small", "bert", "e5", "mean"),
        ("intfloat/multilingual-e5-large", "xlm-roberta", "multilingual-e5", "mean"),
        ("intfloat/multilingual-e5-large-instruct", "xlm-roberta", "e5-instruct", "mean"),
        ("intfloat/e5-mistral-7b-instruct", "mistral", "e5-mistral", "last"),
        ("InF-IR/InF-Embed-e5-base", "bert", "inf-embed", "mean"),
        ("InF-IR/infembed-modernbert", "modernbert", "inf-embed", "cls"),
        ("InF-IR/inf-embed-llama", "llama", "inf-embed", "last"),
        ("BAAI/bge-base-en-v1.5", "bert", "bge", "cls"),
        ("BAAI/bge-m3", "xlm-roberta", "bge-m3", "cls"),
        ("BAAI/bge-en-icl", "mistral", "bge-llm", "last"),
        ("thenlper/gte-base", "bert", "gte", "mean"),
        ("Alibaba-NLP/gte-modernbert-base", "modernbert", "gte-modernbert", "cls"),
        ("Alibaba-NLP/gte-Qwen2-7B-instruct", "qwen2", "gte-qwen2", "last"),
        ("hkunlp/instructor-xl", "t5", "instructor", "mean"),
        ("Qwen/Qwen3-Embedding-4B", "qwen3", "qwen3-embedding", "last"),
        ("GritLM/GritLM-7B", "mistral", "gritlm", "mean"),
        ("facebook/contriever-msmarco", "bert", "contriever", "mean"),
        ("sentence-transformers/msmarco-distilbert-base-tas-b", "distilbert", "tas-b", "cls"),
        ("sebastian-hofstaetter/distilbert-dot-tas_b-b256-msmarco", "distilbert", "tas-b", "cls"),
        ("answerdotai/ModernBERT-base", "modernbert", "modernbert", "cls"),
        ("castorini/repllama-v1-7b-lora-passage", "llama", "repllama", "last"),
        ("samaya-ai/RepLLaMA-reproduced", "llama", "repllama", "last"),
        ("samaya-ai/promptriever-llama3.1-8b-v1", "llama", "promptriever", "last"),
        ("samaya-ai/promptriever-mistral-v0.1-7b-v1", "mistral", "promptriever", "last"),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", "bert", "arctic-embed", "cls"),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "xlm-roberta", "arctic-embed-v2", "cls"),
        ("/cache/models--intfloat--e5-base-v2/snapshots/0a1b2c", "bert", "e5", "mean"),
    ],
)
def test_published_names(name, network, family, pooling):
    profile = match_family(name, {"model_type": network})
    assert profile is not None
    assert (profile.family, profile.pooling) == (family, pooling)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("intfloat/e5-base-v2", "roberta"),  # the name of one model on the network of another
        ("someone/my-e5-base-v2", "bert"),
        ("someone/e5-base-v2-finetuned", "bert"),
        ("bert-base-uncased", "bert"),
        ("mistralai/Mistral-7B-v0.1", "mistral"),
        ("intfloat/e5-base-v2", None),
    ],
)
def test_nothing_is_guessed(name, network):
    assert match_family(name, {"model_type": network}) is None


def test_every_family_has_a_source():
    assert all(family.profile.source for family in FAMILIES)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("pooling", "average", "mean, cls, last"),
        ("pooling", (), "unknown `?pooling"),
        ("query_template", "query: ", "{q} once"),
        ("query_template", "{q} {i} {i} {i}", "at most twice"),
        ("passage_template", "passage", "{d} once"),
        ("query_encoding", "addition", "concatenation, attention"),
        ("max_passage_length", 2, "at least 4"),
    ],
)
def test_wrong_profiles_are_refused(field, value, message):
    with pytest.raises(InputError, match=message):
        EncoderProfile(**{"family": "f", "pooling": "mean", field: value})


def test_a_checkpoint_carries_its_profile(tmp_path):
    assert read_profile(tmp_path) is None
    profile = EncoderProfile("inf-embed", ("mean", "cls"), "q: {q} {i}", max_query_length=256)
    write_profile(profile, tmp_path)
    assert read_profile(tmp_path) == profile
    (tmp_path / PROFILE_FILE).write_text(json.dumps({"family": "mine", "pooling": "cls"}))
    assert read_profile(tmp_path) == EncoderProfile("mine", "cls")


@pytest.mark.parametrize("content", ["{", "[]", '{"family": "f"}', '{"family": "f", "pooling": "mean", "x": 1}'])
def test_a_broken_profile_file_is_refused(tmp_path, content):
    (tmp_path / PROFILE_FILE).write_text(content)
    with pytest.raises(InputError, match="not an encoder profile|not JSON"):
        read_profile(tmp_path)


def test_the_manual_has_every_family():
    manual = (Path(__file__).parents[2] / "docs" / "encoders.md").read_text("utf-8")
    rows = [
        html.unescape(line).replace("⏎", "\n").replace("␣", " ") for line in manual.splitlines() if line[:2] == "| "
    ]
    for family in FAMILIES:
        parts = (family.profile.query_template, family.profile.passage_template, family.licence or "not verified")
        instruction = "trained" if family.instructed else "appended"
        assert any(
            row.startswith(f"| {family.profile.family} |")
            and f"| {instruction} |" in row
            and all(p in row for p in parts)
            for row in rows
        ), family.profile.family
