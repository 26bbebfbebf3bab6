"""The pointwise language models beside mteb's own wrappers, which FollowIR's evaluation is run with."""

import json
import shutil

import asked
import datasets
import numpy as np
import pytest
from mteb.models.model_implementations import rerankers_monot5_based as mteb
from mteb.models.model_implementations.qwen3_reranker import Qwen3RerankerWrapper
from torch.utils.data import DataLoader

from instrerank.encoders import load_scorer

PAIRS = [
    ("why does copper turn green", "Only passages that explain the cause are relevant.", "Copper reacts with water."),
    ("why does copper turn green", "Only passages that explain the cause are relevant.", "Sand."),
    (
        "tides",
        "Not those that give a recipe!",
        "Tides follow the moon, and twice a month the sun makes them stronger.",
    ),
    ("Who built the first telescope?", "no boats", "The baker kneads the dough twice and lets it rise over night."),
]


def long_reader(folder, parent, name):
    """Copy a network whose weights know no positions, and let it read whole prompts."""
    copy = shutil.copytree(folder, parent / name)
    for file, field in (("config.json", "max_position_embeddings"), ("tokenizer_config.json", "model_max_length")):
        settings = json.loads((copy / file).read_text())
        (copy / file).write_text(json.dumps(settings | {field: 2048}))
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer | {"truncation": None, "padding": None}))
    return copy


@pytest.mark.parametrize(
    ("kind", "auto_class", "name", "wrapper", "options"),
    [
        ("mistral", "AutoModelForCausalLM", "FollowIR-7B", mteb.FollowIRReranker, {}),
        ("mistral", "AutoModelForCausalLM", "Mistral-7B-Instruct-v0.2", mteb.MistralReranker, {}),
        ("llama", "AutoModelForCausalLM", "Llama-2-7b-hf", mteb.LlamaReranker, {}),
        ("llama", "AutoModelForCausalLM", "Llama-2-7b-chat-hf", mteb.LlamaReranker, {}),
        (
            *("t5", "AutoModelForSeq2SeqLM", "monot5-base-msmarco", mteb.MonoT5Reranker),
            {"token_true": "▁true", "token_false": "▁false"},
        ),
    ],
)
def test_probabilities_are_mtebs(models, tmp_path, kind, auto_class, name, wrapper, options):
    folder = long_reader(models(kind, f"asked-{kind}", auto_class=auto_class), tmp_path, name)
    rows = {field: [pair[at] for pair in PAIRS] for at, field in enumerate(("query", "instruction", "text"))}
    loader = DataLoader(datasets.Dataset.from_dict(rows), batch_size=len(PAIRS))
    expected = wrapper(str(folder), **options).predict(
        loader, loader, task_metadata=None, hf_split="test", hf_subset="default"
    )
    scorer = load_scorer(folder, kind="pointwise-llm")
    scores, truncated = scorer.score_pairs(PAIRS)
    probabilities = 1 / (1 + np.exp(-scores.astype(np.float64)))
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert np.ptp(expected) > 0.01
    assert not truncated.any()


def test_qwen3_reranker_has_the_instruction_twice_in_mteb(tmp_path):
    folder = asked.save_qwen(tmp_path / "Qwen3-Reranker-0.6B")
    rows = {
        "text": [f"{query} {instruction}" for query, instruction, _ in PAIRS],  # as mteb's loaders join them
        "instruction": [instruction for _, instruction, _ in PAIRS],
    }
    queries = DataLoader(datasets.Dataset.from_dict(rows), batch_size=len(PAIRS))
    passages = DataLoader(datasets.Dataset.from_dict({"text": [pair[2] for pair in PAIRS]}), batch_size=len(PAIRS))
    expected = Qwen3RerankerWrapper(str(folder), device="cpu").predict(
        queries, passages, task_metadata=None, hf_split="test", hf_subset="default", show_progress_bar=False
    )
    scores = load_scorer(folder, kind="pointwise-llm", instruction_placement="both").score_pairs(PAIRS).scores
    np.testing.assert_allclose(1 / (1 + np.exp(-scores.astype(np.float64))), expected, atol=1e-5)
    assert np.ptp(expected) > 0.01
