"""Vectors equal those of sentence-transformers, or of the family's own recipe, on the same random weights."""

from pathlib import Path

import numpy as np
import peft
import pytest
import tiny
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tiny import INSTRUCTIONS, PASSAGES, QUERIES

from instrerank.encoders import Encoder, load_encoder
from instrerank.errors import InputError

TOLERANCE = 1e-5


def sentence_transformer(folder: Path, mode: str, side: str = "right", **pooling: object) -> SentenceTransformer:
    """The reference: sentence-transformers on the same weights, with the pooling the family's authors chose."""
    transformer = Transformer(str(folder))
    transformer.tokenizer.padding_side = side
    if transformer.tokenizer.pad_token is None:
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


def joined(prefix: str, separator: str = " ") -> list[str]:
    return [prefix + q + (separator + i if i else "") for q, i in zip(QUERIES, INSTRUCTIONS, strict=True)]


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
    check(load_encoder(folder), sentence_transformer(folder, mode, reference_side), joined(query), passage)


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


TASK = "Given a web search query, retrieve relevant passages that answer the query"


def instructed(form: str) -> list[str]:
    return [form.format(i=i or TASK, q=q) for q, i in zip(QUERIES, INSTRUCTIONS, strict=True)]


@pytest.mark.parametrize("side", ["left", "right"])
def test_e5_mistral(models, side):
    folder = models("mistral", "e5-mistral-7b-instruct", side=side)
    texts = instructed("Instruct: {i}\nQuery: {q}")
    check_last_token(load_encoder(folder), texts, "", folder=folder, side=side, end="</s>")


@pytest.mark.parametrize("side", ["left", "right"])
def test_qwen3_embedding(models, side):
    folder = models("qwen3", "Qwen3-Embedding-0.6B", side=side)
    encoder = load_encoder(folder)
    texts = instructed("Instruct: {i}\nQuery:{q}")
    check_last_token(encoder, texts, "", folder=folder, side=side, end="<|endoftext|>")
    check(encoder, sentence_transformer(folder, "lasttoken", side), texts, "")


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen3"])
def test_inf_embed_on_a_language_model(models, kind):
    folder = models(kind, f"inf-embed-{kind}")
    end = {"qwen3": "<|im_end|>"}.get(kind, "</s>")
    if kind == "qwen3":  # its tokenizer ends texts with another token than its end-of-sequence token
        with pytest.raises(InputError, match="not as its profile demands"):
            load_encoder(folder)
        return
    check_last_token(load_encoder(folder), joined(""), "", folder=folder, side="left", end=end)


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
        expected = reference.encode_query(joined(""))
        np.testing.assert_allclose(encoder.encode_queries(QUERIES, INSTRUCTIONS).vectors, expected, atol=TOLERANCE)
