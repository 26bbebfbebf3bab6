"""Vectors equal those of the families' own recipes in transformers and peft, on the same random weights."""

from pathlib import Path

import numpy as np
import peft
import pytest
import tiny
import torch
import transformers
from tiny import INSTRUCTIONS, PASSAGES, QUERIES

from instrerank.encoders import Encoder, load_encoder

TOLERANCE = 1e-5


def last_token_recipe(folder: Path, texts: list[str], side: str, end: str, adapter: Path | None = None) -> np.ndarray:
    """E5-mistral's and RepLLaMA's recipe: cut to one token less, append the end token, pool it by the mask."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)
    if adapter is not None:
        network = peft.PeftModel.from_pretrained(network, adapter).eval()
    tokenizer.pad_token, tokenizer.padding_side = end, side
    end_id = tokenizer.convert_tokens_to_ids(end)
    own = tokenizer("text")["input_ids"][-1] == end_id
    cut = tokenizer(texts, max_length=tiny.LENGTH - (not own), truncation=True)["input_ids"]
    whole = [ids if ids[-1] == end_id else [*ids, end_id] for ids in cut]
    batch = tokenizer.pad({"input_ids": whole}, padding=True, return_attention_mask=True, return_tensors="pt")
    mask = batch["attention_mask"]
    with torch.no_grad():
        states = network(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
    last = torch.full((len(texts),), -1) if side == "left" else mask.sum(1) - 1
    return torch.nn.functional.normalize(states[torch.arange(len(texts)), last]).numpy()


def check_last_token(encoder: Encoder, queries: list[str], prefix: str, **recipe) -> None:
    expected = last_token_recipe(texts=queries, **recipe)
    np.testing.assert_allclose(encoder.encode_queries(QUERIES, INSTRUCTIONS).vectors, expected, atol=TOLERANCE)
    expected = last_token_recipe(texts=[prefix + passage for passage in PASSAGES], **recipe)
    passages = encoder.encode_passages(PASSAGES)
    np.testing.assert_allclose(passages.vectors, expected, atol=TOLERANCE)
    assert passages.token_counts.max() == tiny.LENGTH and passages.truncated.sum() == 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_e5_mistral(models, side):
    folder = models("mistral", "e5-mistral-7b-instruct", side=side)
    texts = tiny.instructed("Instruct: {i}\nQuery: {q}")
    check_last_token(load_encoder(folder), texts, "", folder=folder, side=side, end="</s>")


@pytest.mark.parametrize("side", ["left", "right"])
def test_qwen3_embedding(models, side):
    folder = models("qwen3", "Qwen3-Embedding-0.6B", side=side)
    texts = tiny.instructed("Instruct: {i}\nQuery:{q}")
    check_last_token(load_encoder(folder), texts, "", folder=folder, side=side, end="<|endoftext|>")


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("name", "mark"), [("repllama-v1-7b-lora-passage", ""), ("promptriever-llama2-7b-v1", "?")])
def test_lora_families(models, lora, name, mark, side):
    base = models("llama", "Llama-2-7b-hf")
    adapter = lora(base, name)
    texts = []
    for query, instruction in zip(QUERIES, INSTRUCTIONS, strict=True):
        closing = mark if instruction and not query.endswith("?") else ""
        texts.append(f"query:  {query}{closing} {instruction}".strip())
    recipe = {"folder": base, "adapter": adapter, "side": side, "end": "</s>"}
    check_last_token(load_encoder(adapter), texts, "passage:  ", **recipe)
    check_last_token(load_encoder(base, adapter=adapter), texts, "passage:  ", **recipe)
    bare = last_token_recipe(base, texts, side, "</s>")
    assert np.abs(bare - last_token_recipe(texts=texts, **recipe)).max() > 0.01  # the adapter does something


def test_gritlm_attends_in_both_directions(models, monkeypatch):
    folder = models("mistral", "GritLM-7B")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")

    def recipe(prefix: str, text: str) -> np.ndarray:
        """gritlm.py: attention over everything, then the mean without the instruction's tokens."""
        cut = {"truncation": True, "max_length": tiny.LENGTH, "return_tensors": "pt"}
        with monkeypatch.context() as patch, torch.no_grad():
            for name in ("create_causal_mask", "create_sliding_window_causal_mask"):
                patch.setattr(f"transformers.models.mistral.modeling_mistral.{name}", lambda **_: None)
            states = network(**tokenizer(prefix + text, **cut)).last_hidden_state[0]
        kept = states[len(tokenizer(prefix)["input_ids"]) :]
        return torch.nn.functional.normalize(kept.mean(0), dim=0).numpy()

    encoder = load_encoder(folder)
    instructions = ["Name the cause.", "", "On the sea", "Why?"]
    prefixes = [f"<|user|>\n{i}\n<|embed|>\n" if i else "<|embed|>\n" for i in instructions]
    expected = [recipe(prefix, query) for prefix, query in zip(prefixes, QUERIES, strict=True)]
    np.testing.assert_allclose(encoder.encode_queries(QUERIES, instructions).vectors, expected, atol=TOLERANCE)
    expected = [recipe("<|embed|>\n", passage) for passage in PASSAGES]
    np.testing.assert_allclose(encoder.encode_passages(PASSAGES).vectors, expected, atol=TOLERANCE)
