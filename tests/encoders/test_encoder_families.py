"""Families against their cards' recipes, written out here: literal text, tokenizer, network, pooling, normalising."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import tiny
import torch
import transformers
from tiny import INSTRUCTIONS, PASSAGES, QUERIES

from instrerank.encoders import load_encoder
from instrerank.encoders.families.known_code import OWN_CODE
from instrerank.encoders.families.table import FAMILIES, match_family
from instrerank.errors import InputError

WEB = tiny.TASK
OPEN, CLOSE = "Instruct: {i}\nQuery: {q}", "Instruct: {i}\nQuery:{q}"
KALM = ("Instruct: {i} \n Query: {q}", "Given a query, retrieve documents that answer the query")
F2LLM = "Given a question, retrieve passages that can help answer the question."
GRIT = ("<|user|>\n{i}\n<|embed|>\n{q}", "Which?")
REPRESENT = "Represent this sentence for searching relevant passages: "

_SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
_DECODER = {**_SIZES, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": tiny.LENGTH}
_DECODER |= {"pad_token_id": None, "bos_token_id": 1, "eos_token_id": 2}
NETWORKS = {
    "bert": ("BertConfig", "bert", {**_SIZES, "max_position_embeddings": tiny.LENGTH}),
    "nomic_bert": ("NomicBertConfig", "bert", {**_SIZES, "max_position_embeddings": tiny.LENGTH}),
    "modernbert": (
        "ModernBertConfig",
        "modernbert",
        {
            **{**_SIZES, "max_position_embeddings": tiny.LENGTH, "local_attention": 16},
            **{"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
        },
    ),
    "mistral": ("MistralConfig", "llama", _DECODER),
    "mixtral": ("MixtralConfig", "llama", {**_DECODER, "num_local_experts": 2}),
    "ministral3": ("Ministral3Config", "llama", {**_DECODER, "sliding_window": None}),
    "qwen2": ("Qwen2Config", "llama", {name: value for name, value in _DECODER.items() if name != "head_dim"}),
    "qwen3": ("Qwen3Config", "qwen3", _DECODER),
    "qwen3, no end": ("Qwen3Config", "llama", _DECODER),
    "gemma3_text": ("Gemma3TextConfig", "llama", {**_DECODER, "sliding_window": 16}),
    "gemma3_text, both ways": (
        "Gemma3TextConfig",
        "llama",
        {**_DECODER, "sliding_window": 16, "use_bidirectional_attention": True},
    ),
}
"""Class of the configuration, kind of tokenizer, settings."""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return `built(network)`: a folder with random weights and a tokenizer, built once."""
    folders = {}

    def build(network: str) -> Path:
        if network not in folders:
            name, tokenizer, settings = NETWORKS[network]
            if not hasattr(transformers, name):
                pytest.skip(f"this transformers has no {name}")
            folder = tiny.save(tmp_path_factory.mktemp("family") / "model", tokenizer)  # for its tokenizer
            vocabulary = tiny.tokenizer_of(tokenizer)[0].get_vocab_size()
            torch.manual_seed(0)
            model = transformers.AutoModel.from_config(
                getattr(transformers, name)(vocab_size=vocabulary, **settings)
            ).eval()
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.dim() > 1:
                        parameter.mul_(6)
            model.save_pretrained(folder)
            if network == "gemma3_text, both ways":
                add_dense(folder)
            folders[network] = folder
        return folders[network]

    return build


def add_dense(folder: Path) -> None:
    """Make a folder one of sentence-transformers, with EmbeddingGemma's two Dense layers after the pooling."""
    types = ["Transformer", "Pooling", "Dense", "Dense", "Normalize"]
    paths = ["", *(f"{at}_{name}" for at, name in enumerate(types) if at)]
    listed = [
        {"type": f"sentence_transformers.models.{name}", "path": path} for name, path in zip(types, paths, strict=True)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    for path in paths[1:]:
        (folder / path).mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    for path, shape in (("2_Dense", (48, 32)), ("3_Dense", (32, 48))):
        settings = {"in_features": shape[1], "out_features": shape[0], "bias": False}
        settings["activation_function"] = "torch.nn.modules.linear.Identity"
        (folder / path / "config.json").write_text(json.dumps(settings))
        safetensors.torch.save_file({"linear.weight": torch.randn(shape)}, folder / path / "model.safetensors")


def recipe(folder: Path, pairs: list[tuple[str, str]], pooling: str, *, end: str, skip: bool, causal: bool, patch):
    """Encode (prefix, text) pairs one by one, as the cards' code does."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    network = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    if not causal:
        module = type(network).__module__
        for name in ("create_causal_mask", "create_sliding_window_causal_mask"):
            patch.setattr(f"{module}.{name}", lambda **_: None, raising=False)
    dense = sorted(folder.glob("*_Dense/model.safetensors"))
    vectors = []
    for prefix, text in pairs:
        ids = tokenizer(prefix + text, truncation=True, max_length=tiny.LENGTH - bool(end))["input_ids"]
        ids += [tokenizer.convert_tokens_to_ids(end)] if end else []
        with torch.no_grad():
            states = network(input_ids=torch.tensor([ids])).last_hidden_state[0]
        states = states[len(tokenizer(prefix)["input_ids"]) :] if skip else states
        vector = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling]
        for layer in dense:
            vector = safetensors.torch.load_file(layer)["linear.weight"] @ vector
        vectors.append(torch.nn.functional.normalize(vector, dim=0).numpy())
    return np.stack(vectors)


def appended(prefix: str) -> tuple[str, str]:
    return prefix + "{q} {i}", ""


@pytest.mark.parametrize(
    ("name", "network", "query", "passage", "pooling", "more"),
    [
        ("Linq-Embed-Mistral", "mistral", (OPEN, WEB), "", "last", {"end": "</s>"}),
        ("SFR-Embedding-Mistral", "mistral", (OPEN, WEB), "", "last", {"end": "</s>"}),
        ("SFR-Embedding-2_R", "mistral", (OPEN, WEB), "", "last", {"end": "</s>"}),
        ("GritLM-8x7B", "mixtral", GRIT, "<|embed|>\n", "mean", {"skip": True, "causal": False}),
        ("harrier-oss-v1-270m", "gemma3_text", (OPEN, WEB), "", "last", {}),
        ("harrier-oss-v1-0.6b", "qwen3", (OPEN, WEB), "", "last", {}),
        ("F2LLM-0.6B", "qwen3, no end", (OPEN, F2LLM), "", "last", {"end": "</s>"}),
        ("F2LLM-v2-80M", "qwen3, no end", (OPEN, F2LLM), "", "last", {"end": "</s>"}),
        ("bge-reasoner-embed-qwen3-8b-0923", "qwen3", (OPEN, WEB), "", "last", {}),
        ("Diver-Retriever-4B-1020", "qwen3", (CLOSE, WEB), "", "last", {}),
        ("RTriever-4B", "qwen3", (CLOSE, WEB), "", "last", {}),
        ("Octen-Embedding-8B", "qwen3", (CLOSE, WEB), " ", "last", {}),
        ("KaLM-embedding-multilingual-mini-instruct-v2", "qwen2", KALM, "", "mean", {"causal": False}),
        ("KaLM-embedding-multilingual-mini-instruct-v2.5", "qwen2", KALM, "", "mean", {"causal": False}),
        ("Nemotron-3-Embed-1B-BF16", "ministral3", appended("query: "), "passage: ", "mean", {"causal": False}),
        (
            "embeddinggemma-300m",
            "gemma3_text, both ways",
            appended("task: search result | query: "),
            "title: none | text: ",
            "mean",
            {},
        ),
        ("nomic-embed-text-v1", "nomic_bert", appended("search_query: "), "search_document: ", "mean", {}),
        ("nomic-embed-text-v1.5", "nomic_bert", appended("search_query: "), "search_document: ", "mean", {}),
        ("granite-embedding-english-r2", "modernbert", appended(""), "", "cls", {}),
        ("granite-embedding-97m-multilingual-r2", "modernbert", appended(""), "", "cls", {}),
        ("mxbai-embed-large-v1", "bert", appended(REPRESENT), "", "cls", {}),
    ],
)
def test_vectors_are_those_of_the_cards_recipe(
    built, tmp_path, monkeypatch, name, network, query, passage, pooling, more
):
    form, default = query
    folder = tmp_path / name
    folder.symlink_to(built(network), target_is_directory=True)
    settings = {"end": "", "skip": False, "causal": True, "patch": monkeypatch, **more}
    instructions = [i or default for i in INSTRUCTIONS] if query == GRIT else INSTRUCTIONS
    texts = []
    for text, instruction in zip(QUERIES, instructions, strict=True):
        whole = (form if instruction or default else form.removesuffix(" {i}")).replace("{i}", instruction or default)
        before, after = whole.split("{q}")
        texts.append((before, text + after))
    encoder = load_encoder(folder)
    queries = encoder.encode_queries(QUERIES, instructions).vectors
    passages = encoder.encode_passages(PASSAGES).vectors
    np.testing.assert_allclose(queries, recipe(folder, texts, pooling, **settings), atol=1e-5, rtol=0)
    pairs = [(passage, text) for text in PASSAGES]
    np.testing.assert_allclose(passages, recipe(folder, pairs, pooling, **settings), atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", OWN_CODE, ids=lambda family: family.example)
def test_a_network_in_the_repositorys_own_code_needs_trust(tmp_path, family):
    folder = tiny.save(tmp_path / family.example.rpartition("/")[2], "llama")
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = family.networks[0] if family.networks else config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="trust_remote_code"):
        load_encoder(folder)
    if family.whole:
        with pytest.raises(InputError, match="own modules as a whole"):
            load_encoder(folder, trust_remote_code=True)


def test_examples_belong_to_their_families():
    for family in FAMILIES:
        config = {"model_type": family.networks[0] if family.networks else "own"}
        if family.example:
            assert match_family(family.example, config) is family.profile
        assert bool(family.networks) or family.profile.remote_code


def test_families_that_share_a_name_differ_in_their_networks():
    keys = [(family.names, network) for family in FAMILIES for network in family.networks or ("",)]
    assert len(set(keys)) == len(keys)
