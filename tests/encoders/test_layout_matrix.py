"""Layouts in which models are published: vectors equal those of sentence-transformers, or the folder is refused.

Each case is a folder with random weights and a few files changed; one that is neither equal nor refused fails.
"""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from instrerank.encoders import load_encoder
from instrerank.encoders.families.stored_prompts import query_template
from instrerank.errors import InputError, InstrerankWarning

TASK = "Find what explains the cause"
IDENTITY = "torch.nn.modules.linear.Identity"
MODEL = """
from transformers import BertConfig, BertModel
class Mine(BertModel):
    config_class = BertConfig
    def forward(self, *args, **more):
        output = super().forward(*args, **more)
        output.last_hidden_state = output.last_hidden_state.flip(-1)
        return output
"""
POOLING = """
from sentence_transformers.models import Pooling
class First(Pooling):
    def forward(self, features, **more):
        features["sentence_embedding"] = features["token_embeddings"][:, 0] - features["token_embeddings"][:, 1]
        return features
"""


def edit(path: Path, **changes: object) -> None:
    """Change entries of a JSON file; None removes one."""
    content = json.loads(path.read_text()) if path.is_file() else {}
    content = {name: value for name, value in {**content, **changes}.items() if value is not None}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


def write(folder: Path, behind: tuple[str, ...] = ("Normalize",), **config: object) -> Path:
    """Put the files of a layout beside a network; `config` is for config_sentence_transformers.json."""
    kinds = ["Transformer", "Pooling", *behind]
    paths = ["", *(f"{at}_{kind.rpartition('.')[2]}" for at, kind in enumerate(kinds[1:], 1))]
    types = [kind if "." in kind else f"sentence_transformers.models.{kind}" for kind in kinds]
    modules = [{"idx": at, "name": str(at), "path": paths[at], "type": kind} for at, kind in enumerate(types)]
    (folder / "modules.json").write_text(json.dumps(modules))
    for path in paths[1:]:
        (folder / path).mkdir()
    edit(folder / "1_Pooling" / "config.json", word_embedding_dimension=32, pooling_mode_mean_tokens=True)
    edit(folder / "sentence_bert_config.json", max_seq_length=24)
    if config:
        edit(folder / "config_sentence_transformers.json", **config)
    return folder


def layer(folder: Path, inputs: int = 32, outputs: int = 16, shortcut: bool = False, **config: object) -> None:
    """Write a Dense layer."""
    torch.manual_seed(3)
    weights = {"linear.weight": torch.randn(outputs, inputs), "linear.bias": torch.randn(outputs)}
    if shortcut:
        weights["residual.weight"] = torch.randn(outputs, inputs)
    save_file(weights, folder / "model.safetensors")
    config = {"in_features": inputs, "out_features": outputs, "activation_function": IDENTITY, **config}
    edit(folder / "config.json", **config)


def norm_layer(folder: Path) -> None:
    torch.manual_seed(3)
    save_file({"norm.weight": torch.rand(32), "norm.bias": torch.randn(32)}, folder / "model.safetensors")
    edit(folder / "config.json", dimension=32)


def dense(behind: tuple[str, ...] = ("Dense", "Normalize"), **config: object):
    def change(folder: Path) -> None:
        write(folder, behind)
        layer(folder / f"{behind.index('Dense') + 2}_Dense", **config)

    return change


def settings(name: str = "sentence_bert_config.json", **changes: object):
    def change(folder: Path) -> None:
        write(folder)
        if name.startswith("sentence_") and name != "sentence_bert_config.json":
            (folder / "sentence_bert_config.json").unlink()
        edit(folder / name, **changes)

    return change


def stored(**config: object):
    return lambda folder: write(folder, **config)


def sharded(folder: Path) -> None:
    network = transformers.AutoModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder, max_shard_size="20KB")
    assert (folder / "model.safetensors.index.json").is_file()
    write(folder)


def own_network(folder: Path) -> None:
    write(folder)
    edit(folder / "config.json", auto_map={"AutoModel": "modeling_mine.Mine"})
    (folder / "modeling_mine.py").write_text(MODEL)


def own_module(folder: Path) -> None:
    write(folder)
    content = (
        (folder / "modules.json").read_text().replace("sentence_transformers.models.Pooling", "own_pooling.First")
    )
    (folder / "modules.json").write_text(content)
    (folder / "own_pooling.py").write_text(POOLING)


def only(file: str):
    def change(folder: Path) -> None:
        write(folder)
        (folder / "model.safetensors").unlink()
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(b"weights")

    return change


def with_layer_norm(folder: Path) -> None:
    write(folder, ("LayerNorm", "Normalize"))
    norm_layer(folder / "2_LayerNorm")


EQUAL = {
    "plain": stored(),
    "prompts": stored(prompts={"query": "query: ", "document": "passage: "}),
    "prompts with braces": stored(prompts={"query": "Q{i}: ", "document": "{d} D{(}: "}),
    "no text for a prompt": stored(prompts={"query": None, "document": "d: "}),
    "a task": stored(prompts={"query": f"Instruct: {TASK}\nQuery:", "document": ""}),
    "a task, another spacing": stored(prompts={"query": f"Instruct: {TASK}\n Query: "}),
    "default prompt for queries": stored(prompts={"query": "query: "}, default_prompt_name="query"),
    "default prompt of another name": stored(prompts={"other": "O: "}, default_prompt_name="other"),
    "dot product": stored(similarity_fn_name="dot"),
    "cosine of no Normalize": lambda folder: write(folder, (), similarity_fn_name="cosine"),
    "dot of no Normalize": lambda folder: write(folder, (), similarity_fn_name="dot"),
    "truncated": stored(truncate_dim=8),
    "truncated behind Normalize": stored(truncate_dim=8, similarity_fn_name="dot"),
    "layer norm": with_layer_norm,
    "dropout": lambda folder: write(folder, ("Dropout", "Normalize")),
    "dense": dense(),
    "dense behind Normalize": dense(("Normalize", "Dense")),
    "dense, silu": dense(activation_function="torch.nn.modules.activation.SiLU"),
    "dense, no activation named": dense(activation_function=None),
    "dense, residual": dense(outputs=32, use_residual=True),
    "dense, projected residual": dense(shortcut=True, use_residual=True),
    **{
        f"length in the file for {name}": settings(f"sentence_{name}_config.json", max_seq_length=12)
        for name in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
    },
    "no length": settings(max_seq_length=None, do_lower_case=False),
    "lower case": settings(do_lower_case=True),
    "lengths of both sides": settings(query_length=6, document_length=9),
    "tokenizer arguments": settings(tokenizer_args={"model_max_length": 10, "truncation_side": "left"}),
    "processor arguments": settings(processor_kwargs={"model_max_length": 10}),
    "model arguments": settings(model_args={"attn_implementation": "eager"}),
    "truncated on the left": settings("tokenizer_config.json", truncation_side="left"),
    "padded on the right": settings("tokenizer_config.json", padding_side="right"),
    "no pooling flag": lambda folder: edit(write(folder) / "1_Pooling" / "config.json", pooling_mode_mean_tokens=None),
    "prompt not pooled": lambda folder: edit(
        write(folder, prompts={"query": "query: ", "document": "p: "}) / "1_Pooling" / "config.json",
        include_prompt=False,
    ),
    "shards": sharded,
    "an index left over": settings("model.safetensors.index.json", metadata={}, weight_map={"a": "gone.safetensors"}),
}

REFUSED = {
    "own network": (own_network, r"auto_map names the repository's own code, modeling_mine.Mine.*`trust_remote_code`"),
    "own module": (own_module, r"own_pooling.First \(own_pooling.py\).*`trust_remote_code`"),
    "own tokenizer": (
        settings("tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_x.Slow", None]}),
        "auto_map names the repository's own code, tokenization_x.Slow",
    ),
    "quantised": (settings("config.json", quantization_config={"quant_method": "awq"}), r"quantised \(awq\)"),
    "quantised, as its file says": (settings("quantize_config.json", bits=4), r"quantised \(quantize_config.json\)"),
    "multimodal": (
        settings("config.json", vision_config={"depth": 1}, text_config={"hidden_size": 32}),
        r"bert is a network of several parts \(text_config, vision_config\)",
    ),
    "with a decoder": (settings("config.json", is_encoder_decoder=True), "bert has an encoder and a decoder"),
    "ONNX": (only("onnx/model.onnx"), "weights only as onnx/model.onnx; expected safetensors"),
    "GGUF": (only("mine.gguf"), "weights only as mine.gguf"),
    "euclidean": (stored(similarity_fn_name="euclidean"), "unsupported similarity euclidean"),
    "sparse": (stored(model_type="SparseEncoder"), "is a SparseEncoder, not a SentenceTransformer"),
    "word embeddings": (lambda folder: write(folder, ("WordEmbeddings",)), "unsupported modules .*WordEmbeddings"),
    "dense on tokens": (dense(module_input_name="token_embeddings"), "module_input_name 'token_embeddings'"),
    "dense to tokens": (dense(module_output_name="token_embeddings"), "module_output_name 'token_embeddings'"),
    "dense, own activation": (dense(activation_function="mine.Act"), "the activation mine.Act is not supported"),
    "dense, trained activation": (
        dense(activation_function="torch.nn.modules.activation.PReLU"),
        "PReLU is not supported",
    ),
    "unknown setting": (settings(whitening=True), r"the setting whitening \(True\) is not supported"),
    "network argument": (settings(config_args={"hidden_act": "relu"}), "the setting config_args: hidden_act"),
    "tokenizer argument": (settings(tokenizer_args={"add_prefix_space": True}), "tokenizer_args: add_prefix_space"),
    "another task": (settings(transformer_task="fill-mask"), r"transformer_task \('fill-mask'\)"),
    "chat template": (
        settings(modality_config={"message": {"method": "forward", "method_output_name": "last_hidden_state"}}),
        "the setting modality_config",
    ),
    "query expansion": (settings(query_expansion={"length": 32}), "the setting query_expansion"),
    "a length that is none": (settings(max_seq_length="long"), "max_seq_length must be a whole number"),
    "truncation that is none": (stored(truncate_dim=0), "truncate_dim must be a whole number"),
    "truncation in the middle": (
        settings("tokenizer_config.json", truncation_side="middle"),
        "truncation_side must be left or right",
    ),
    "pooling of the future": (
        lambda folder: edit(write(folder) / "1_Pooling" / "config.json", pooling_mode_attention=True),
        "unknown pooling settings pooling_mode_attention",
    ),
    "prompts that are none": (stored(prompts={"query": 7}), "`prompts` must give each name a text"),
    "default prompt that is none": (
        stored(prompts={"query": "q: "}, default_prompt_name="qq"),
        "unknown default_prompt_name 'qq'. Available: query",
    ),
}


@pytest.fixture
def built(models, tmp_path):
    """Return `built(change)`: a folder with a BERT network that a function has changed."""

    def build(change):
        folder = tmp_path / "mine"
        shutil.copytree(models("bert", "unknown"), folder)
        change(folder)
        return folder

    return build


def compare(folder: Path, **trust: bool) -> None:
    reference = SentenceTransformer(str(folder), device="cpu", **trust)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InstrerankWarning)
        encoder = load_encoder(folder, store=None, **trust)
    more = {"batch_size": 3, "normalize_embeddings": encoder.profile.normalize}
    expected = reference.encode_query(tiny.QUERIES, **more)
    np.testing.assert_allclose(encoder.encode_queries(tiny.QUERIES).vectors, expected, atol=1e-5, rtol=0)
    expected = reference.encode_document(tiny.PASSAGES, **more)
    np.testing.assert_allclose(encoder.encode_passages(tiny.PASSAGES).vectors, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("change", EQUAL.values(), ids=EQUAL)
def test_equal_to_sentence_transformers(built, change):
    compare(built(change))


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused_by_name(built, change, reason):
    with pytest.raises(InputError, match=reason):
        load_encoder(built(change), store=None)


@pytest.mark.parametrize("change", [own_network, own_module])
def test_code_that_is_trusted_runs_through_sentence_transformers(built, change):
    compare(built(change), trust_remote_code=True)


def test_what_own_code_cannot_do(built, lora):
    folder = built(own_module)
    trusted = {"trust_remote_code": True, "store": None}
    with pytest.raises(InputError, match="own code does not support `dtype` int8"):
        load_encoder(folder, dtype="int8", **trusted)
    with pytest.raises(InputError, match="leave `pooling` out"):
        load_encoder(folder, pooling="mean", **trusted)
    encoder = load_encoder(folder, query_encoding="attention", **trusted)
    with pytest.raises(InputError, match="no token states"):
        encoder.encode_queries(["tides"], ["only the moon"])
    long = load_encoder(folder, max_length=8, **trusted).encode_passages(tiny.PASSAGES)
    assert long.token_counts.max() == 8 and long.truncated.any()
    assert len(encoder.windows(" ".join(tiny.SENTENCES), 20, 10)) > 3


def test_a_plain_folder_with_its_own_network(built):
    folder = built(lambda folder: (own_network(folder), (folder / "modules.json").unlink()))
    encoder = load_encoder(folder, pooling="mean", trust_remote_code=True, store=None)
    assert type(encoder.backend).__name__ == "TransformersBackend"  # never a network of ours
    states = transformers.AutoModel.from_pretrained(folder, trust_remote_code=True)
    tokens = transformers.AutoTokenizer.from_pretrained(folder)("tides", return_tensors="pt")
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(states(**tokens).last_hidden_state.mean(1))
    np.testing.assert_allclose(encoder.encode_passages(["tides"]).vectors, expected, atol=1e-5)


# prompts: what the reference applies only if it is given their names


@pytest.mark.parametrize(
    ("prompts", "query", "passage"),
    [
        ({"query": "query: ", "passage": "passage: "}, "query", "passage"),
        ({"query": "", "document": "", "corpus": "C: "}, None, "corpus"),
        ({"retrieval.query": "Q: ", "retrieval.passage": "P: ", "separation": "S: "}, "retrieval.query",
         "retrieval.passage"),
        ({"search_query": "Q: ", "search_document": "P: ", "clustering": "c: "}, "search_query", "search_document"),
        ({"Retrieval-query": "Q: ", "Retrieval-document": "P: ", "STS": "s: "}, "Retrieval-query",
         "Retrieval-document"),
        ({"s2p_query": f"Instruct: {TASK}\nQuery: ", "s2s_query": "s: "}, "s2p_query", None),
        ({"web_search_query": "Q: ", "sts_query": "s: ", "bitext_query": "b: "}, "web_search_query", None),
        ({"query": "", "document": "", "search_query": "Q: "}, "search_query", None),
    ],
)  # fmt: skip
def test_prompts_of_other_names(built, prompts, query, passage):
    folder = built(stored(prompts=prompts))
    reference = SentenceTransformer(str(folder), device="cpu")
    with pytest.warns(InstrerankWarning, match="`query_prompt` and `passage_prompt` choose among: "):
        encoder = load_encoder(folder, store=None)
    expected = reference.encode(tiny.QUERIES, prompt=prompts.get(query, ""), normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_queries(tiny.QUERIES).vectors, expected, atol=1e-5)
    expected = reference.encode(tiny.PASSAGES, prompt=prompts.get(passage, ""), normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_passages(tiny.PASSAGES).vectors, expected, atol=1e-5)


def test_prompts_that_may_be_meant_are_listed(built):
    folder = built(stored(prompts={"nq_query": "N: ", "fiqa_query": "F: ", "document": "D: "}))
    with pytest.warns(InstrerankWarning, match="none is clearly for queries.*choose among: nq_query, fiqa_query"):
        profile = load_encoder(folder, store=None).profile
    assert (profile.query_template, profile.passage_template) == ("{q} {i}", "D: {d}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", InstrerankWarning)
        profile = load_encoder(folder, query_prompt="fiqa_query", passage_prompt="nq_query", store=None).profile
    assert (profile.query_template, profile.passage_template) == ("F: {q} {i}", "N: {d}")
    with pytest.raises(InputError, match="unknown `query_prompt` 'query'. Available: nq_query, fiqa_query, document"):
        load_encoder(folder, query_prompt="query", store=None)
    with pytest.raises(InputError, match="`query_prompt` or `query_template`, not both"):
        load_encoder(folder, query_prompt="document", query_template="{q}", store=None)


def test_a_folder_that_stores_no_prompts(built):
    with pytest.raises(InputError, match="Available: none, since the folder stores no prompts"):
        load_encoder(built(stored()), passage_prompt="document", store=None)


@pytest.mark.parametrize(
    ("prompt", "template", "task"),
    [
        ("Instruct: T.\nQuery: ", "Instruct: {i}\nQuery: {q}", "T."),
        ("Instruct: T\nQuery:", "Instruct: {i}\nQuery:{q}", "T"),
        ("Instruct: T \n Query: ", "Instruct: {i} \n Query: {q}", "T"),
        ("Instruction: a\nb\n\nQuestion: ", "Instruction: {i}\n\nQuestion: {q}", "a\nb"),
        ("instruct: T query: ", "instruct: {i} query: {q}", "T"),
        ("Task: T\nInput: ", "Task: {i}\nInput: {q}", "T"),
        ("T\nQuery: ", "{i}\nQuery: {q}", "T"),
        ("Instruct: \nQuery: ", "Instruct: {i}\nQuery: {q}", ""),
        ("<|user|>\nT\n<|embed|>\n", "<|user|>\n{i}\n<|embed|>\n{q}", "T"),
        ("<|embed|>\n", "<|user|>\n{i}\n<|embed|>\n{q}", ""),
        ("<instruct>T\n<query>", "<instruct>{i}\n<query>{q}", "T"),
        ("Instruct: {i}\nQuery{q}: ", "Instruct: {i}\nQuery{(}q}: {q}", "{i}"),
        ("task: search result | query: ", "task: search result | query: {q} {i}", ""),
        ("Represent this: ", "Represent this: {q} {i}", ""),
        ("<query>", "<query>{q} {i}", ""),
        ("", "{q} {i}", ""),
    ],
)
def test_places_for_instructions(built, prompt, template, task):
    found = query_template(prompt)
    assert (found.template, found.default_instruction) == (template, task)
    encoder = load_encoder(built(stored(prompts={"query": prompt})), store=None)
    reference = SentenceTransformer(str(Path(encoder.name)), device="cpu")
    expected = reference.encode_query(["why do tides rise"], normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_queries(["why do tides rise"]).vectors, expected, atol=1e-5)


def test_a_model_without_a_place_for_instructions_says_so_once(built):
    encoder = load_encoder(built(stored(prompts={"query": "query: "})), store=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InstrerankWarning)
        encoder.encode_queries(["tides"])
        encoder.encode_queries(["tides"], [" "])
    with pytest.warns(InstrerankWarning, match="no place for instructions.*each comes after its query"):
        encoder.encode_queries(["tides"], ["only the moon"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", InstrerankWarning)
        encoder.encode_queries(["tides"], ["only the moon"])


# the name is not the model


@pytest.mark.parametrize(
    ("name", "made_from", "found_in"),
    [
        ("multilingual-e5-small-q4", None, "the name multilingual-e5-small-q4"),
        ("my-e5-base-v2", None, "the name my-e5-base-v2"),
        ("copy", "intfloat/e5-base-v2", "intfloat/e5-base-v2 in config.json"),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_a_copy_under_another_name_loses_its_prefixes_with_a_word(models, tmp_path, name, made_from, found_in, plain):
    folder = tmp_path / name
    shutil.copytree(models("bert", "unknown"), folder)
    edit(folder / "config.json", _name_or_path=made_from)
    if plain:
        with pytest.raises(InputError, match=rf"may be of the family .*e5 \({found_in}\).* pooling mean, 'query: "):
            load_encoder(folder, store=None)
    else:
        write(folder)
    pooling = {"pooling": "mean"} if plain else {}
    with pytest.warns(
        InstrerankWarning, match=rf"e5 \({found_in}\), which reads queries as 'query: .*`query_template`"
    ):
        load_encoder(folder, store=None, **pooling)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InstrerankWarning)
        load_encoder(folder, store=None, query_template="{q}", **pooling)


def test_a_family_folder_with_its_own_task(models, tmp_path):
    folder = tmp_path / "Qwen3-Embedding-0.6B"
    shutil.copytree(models("qwen3", "Qwen3-Embedding-0.6B"), folder)
    write(folder, prompts={"query": f"Instruct: {TASK}\nQuery:"})
    edit(folder / "1_Pooling" / "config.json", pooling_mode_mean_tokens=False, pooling_mode_lasttoken=True)
    profile = load_encoder(folder, store=None).profile
    assert (profile.family, profile.default_instruction) == ("qwen3-embedding", TASK)
    assert (profile.end_token, profile.pooling_modes, profile.max_query_length) == ("<|endoftext|>", ("last",), 24)


# texts never become special tokens


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "modernbert", "t5", "qwen3", "llama"])
@pytest.mark.parametrize("template", ["query: {q} {i}", "{q}%s{i}"])
def test_special_tokens_come_from_templates_only(models, kind, template):
    folder = models(kind, f"plain-{kind}")
    token = {"bert": "[SEP]", "modernbert": "[SEP]", "qwen3": "<|im_end|>"}.get(kind, "</s>")
    template = template.replace("%s", token)
    encoder = load_encoder(folder, pooling="mean", query_template=template, store=None)
    vocabulary = transformers.AutoTokenizer.from_pretrained(folder).get_vocab()

    def count(query: str, instruction: str) -> int:
        from instrerank.encoders.texts import query_text

        tokens = encoder.tokenizer.encode([query_text(encoder.profile, query, instruction)], 60)[0]
        return tokens.ids.count(vocabulary[token])

    plain = count("tides", "only the moon")
    assert plain >= template.count(token)
    assert count(f"tides {token} moon{token}", "only the moon") == plain
    assert count("tides", f"{token} only {token}") == plain
    passages = encoder.tokenizer.encode([passage_of(encoder, f"a {token} b"), passage_of(encoder, "a b")], 60)
    assert passages[0].ids.count(vocabulary[token]) == passages[1].ids.count(vocabulary[token])
    assert len(passages[0].ids) > len(passages[1].ids) + 1  # its characters are still there


def passage_of(encoder, text):
    from instrerank.encoders.texts import passage_text

    return passage_text(encoder.profile, text)


@pytest.mark.parametrize(
    ("kind", "last", "message"),
    [
        ("LlamaTokenizerFast", True, "'</s>' is put at the end of texts, as add_eos_token"),
        ("PreTrainedTokenizerFast", False, "'</s>' is not put at the end of texts, though add_eos_token"),
    ],
)
def test_an_end_token_that_the_settings_ask_for(models, tmp_path, kind, last, message):
    folder = tmp_path / "mine"
    shutil.copytree(models("llama", "unknown-llama"), folder)
    edit(folder / "tokenizer_config.json", add_eos_token=True, tokenizer_class=kind)
    with pytest.warns(InstrerankWarning, match=message):
        encoder = load_encoder(folder, pooling="last", store=None)
    for length in (5, 60):
        ids = encoder.tokenizer.encode([passage_of(encoder, tiny.PASSAGES[0])], length)[0].ids
        assert ids[0] == 1 and (ids[-1] == 2) is last and len(ids) <= length


def test_a_prefix_space_that_the_tokenizer_does_not_add(models, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(models("llama", "unknown-llama"), folder)
    edit(folder / "tokenizer_config.json", add_prefix_space=True, tokenizer_class="GPT2Tokenizer")
    with pytest.raises(InputError, match="add_prefix_space True of tokenizer_config.json contradicts tokenizer.json"):
        load_encoder(folder, pooling="last", store=None)


def test_an_impossible_dtype_is_refused_before_the_weights_are_read(models, monkeypatch):
    monkeypatch.setattr("instrerank.encoders.networks.backends.load_network", lambda *_, **__: pytest.fail("loaded"))
    with pytest.raises(InputError, match="qwen3 networks do not support `dtype` int8 on cpu. Available: float32"):
        load_encoder(models("qwen3", "unknown-qwen3"), pooling="last", dtype="int8", device="cpu", store=None)


def test_weights_of_a_left_over_index_are_not_read(built):
    folder = built(stored())
    weights = load_file(folder / "model.safetensors")
    other = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    save_file(other, folder / "model-00001-of-00001.safetensors")
    edit(folder / "model.safetensors.index.json", weight_map=dict.fromkeys(other, "model-00001-of-00001.safetensors"))
    compare(folder)
