"""Folders as sentence-transformers wrote them up to 5.3; test_parity has those of today."""

import json
import shutil
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from instrerank.encoders import load_encoder
from instrerank.encoders.families.layouts import read_layout
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.locate import shards
from instrerank.errors import InputError, InstrerankWarning

MODELS = "sentence_transformers.models."


@pytest.fixture
def layout(models, tmp_path):
    """Return `layout(name, pooling, modules, …)`: a folder of that name in the older layout."""

    def write(name="mine", pooling=None, modules=("Transformer", "Pooling", "Normalize"), config=None, length=32):
        folder = tmp_path / name
        shutil.copytree(models("bert", "unknown"), folder)
        paths = ["" if kind == "Transformer" else f"{at}_{kind}" for at, kind in enumerate(modules)]
        listed = [{"idx": at, "path": paths[at], "type": MODELS + kind} for at, kind in enumerate(modules)]
        (folder / "modules.json").write_text(json.dumps(listed))
        for path in paths[1:]:
            (folder / path).mkdir()
        flags = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({**flags, **(pooling or {})}))
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": length}))
        if config is not None:
            (folder / "config_sentence_transformers.json").write_text(json.dumps(config))
        return folder

    return write


def test_profile(layout):
    profile = load_encoder(layout()).profile
    assert (profile.family, profile.pooling, profile.normalize) == ("sentence-transformers", ("mean",), True)
    assert profile.max_query_length == profile.max_passage_length == 32
    assert profile.query_template == "{q} {i}"


@pytest.mark.parametrize(
    ("flag", "mode"),
    [
        ("pooling_mode_cls_token", "cls"),
        ("pooling_mode_max_tokens", "max"),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len"),
        ("pooling_mode_weightedmean_tokens", "weightedmean"),
        ("pooling_mode_lasttoken", "last"),
    ],
)
def test_pooling_flags(layout, flag, mode):
    folder = layout(pooling={"pooling_mode_mean_tokens": False, flag: True})
    assert load_encoder(folder).profile.pooling == (mode,)


def test_passages_have_the_prompt_of_any_of_three_names(layout):
    config = {"prompts": {"query": "Q: ", "passage": "P: ", "corpus": "C: "}, "default_prompt_name": None}
    with pytest.warns(InstrerankWarning, match="passages with 'passage'.*only those named query and document"):
        profile = load_encoder(layout("first", config=config)).profile
    assert (profile.query_template, profile.passage_template) == ("Q: {q} {i}", "P: {d}")
    assert (
        profile.source
        == "the folder's modules.json; prompts `query` and `passage` of config_sentence_transformers.json"
    )


def test_lower_casing_asked_for_by_the_folder(models, layout, tmp_path):
    folder = layout()
    shutil.copytree(models("xlm-roberta", "unknown"), folder, dirs_exist_ok=True)
    first, second = load_encoder(folder).encode_passages(["TIDES", "tides"]).vectors
    assert np.abs(first - second).max() > 0.01
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 32, "do_lower_case": true}')
    upper, lower = load_encoder(folder).encode_passages(["TIDES", "tides"]).vectors
    np.testing.assert_array_equal(upper, lower)
    np.testing.assert_allclose(lower, second, atol=1e-6)


@pytest.mark.parametrize(("similarity", "normalize"), [("dot", False), ("cosine", True), (None, True)])
def test_similarity(layout, similarity, normalize):
    folder = layout(modules=("Transformer", "Pooling"), config={"similarity_fn_name": similarity})
    assert load_encoder(folder).profile.normalize == normalize


def test_dense_layers(layout):
    folder = layout(modules=("Transformer", "Pooling", "Dense", "Dense", "Normalize"))
    torch.manual_seed(0)
    weights = [torch.randn(16, 32), torch.randn(8, 16), torch.randn(8)]
    tanh, identity = "torch.nn.modules.activation.Tanh", "torch.nn.modules.linear.Identity"
    (folder / "2_Dense" / "config.json").write_text(json.dumps({"activation_function": tanh}))
    save_file({"linear.weight": weights[0]}, folder / "2_Dense" / "model.safetensors")
    (folder / "3_Dense" / "config.json").write_text(json.dumps({"activation_function": identity}))
    torch.save({"linear.weight": weights[1], "linear.bias": weights[2]}, folder / "3_Dense" / "pytorch_model.bin")
    with pytest.raises(InputError, match="`allow_bin`"):
        load_encoder(folder)
    encoder = load_encoder(folder, allow_bin=True)
    assert encoder.dimension == 8
    plain = load_encoder(layout("plain", modules=("Transformer", "Pooling"), config={"similarity_fn_name": "dot"}))
    pooled = torch.from_numpy(plain.encode_passages(["tides"]).vectors)
    expected = torch.nn.functional.normalize(torch.tanh(pooled @ weights[0].T) @ weights[1].T + weights[2])
    np.testing.assert_allclose(encoder.encode_passages(["tides"]).vectors, expected.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "modules",
    [
        ("Transformer", "Pooling", "CNN"),
        ("Transformer", "Dense", "Pooling"),
        ("Transformer", "WordWeights", "Pooling"),
        ("Transformer",),
    ],
)
def test_chains_it_cannot_run(tmp_path, modules):
    listed = [{"idx": at, "path": str(at), "type": MODELS + kind} for at, kind in enumerate(modules)]
    (tmp_path / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(InputError, match=" → ".join(modules)):
        read_layout(tmp_path)


@pytest.mark.parametrize("content", ["{", "[1]", '[{"type": "x"}]'])
def test_broken_lists_of_modules(tmp_path, content):
    (tmp_path / "modules.json").write_text(content)
    with pytest.raises(InputError, match="is not a list of modules|not JSON"):
        read_layout(tmp_path)


def test_what_it_cannot_honour_is_refused(layout):
    with pytest.raises(InputError, match="manhattan"):
        load_encoder(layout("a", config={"similarity_fn_name": "manhattan"}))
    with pytest.raises(InputError, match="unknown `?pooling"):
        load_encoder(layout("b", pooling={"pooling_mode": "sum"}))
    with pytest.raises(InputError, match="unknown `?pooling"):
        load_encoder(layout("c", pooling={"pooling_mode_mean_tokens": False}))
    with pytest.raises(InputError, match="unknown pooling settings pooling_mode_new"):
        load_encoder(layout("e", pooling={"pooling_mode_new": True}))
    folder = layout("d", modules=("Transformer", "Pooling", "Dense"))
    torch_like = torch.nn.Linear(32, 8).state_dict()
    save_file(
        {f"linear.{name}": tensor for name, tensor in torch_like.items()}, folder / "2_Dense" / "model.safetensors"
    )
    (folder / "2_Dense" / "config.json").write_text('{"activation_function": "some.where.Swish"}')
    with pytest.raises(InputError, match="Swish"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("config", "pooling", "field", "value", "message"),
    [
        (
            {"prompts": {"query": "question: "}},
            None,
            "query_template",
            "question: {q} {i}",
            "query prompt 'question: ",
        ),
        ({"prompts": {"passage": "text: "}}, None, "passage_template", "text: {d}", "passage prompt 'text: "),
        ({"similarity_fn_name": "dot"}, None, "normalize", True, None),  # its modules normalise
        (None, {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "pooling", ("cls",), "pooling"),
        (None, {"include_prompt": False}, "pool_prefix", False, "pooling of prompts False"),
    ],
)
def test_a_published_folder_that_contradicts_its_family(layout, config, pooling, field, value, message):
    folder = layout("e5-small-v2", config=config, pooling=pooling)
    with pytest.warns(InstrerankWarning, match=message) if message else nullcontext():
        profile = load_encoder(folder).profile
    assert profile.family == "e5"
    assert getattr(profile, field) == value
    unchanged = EncoderProfile("e5", "mean", "query: {q} {i}", passage_template="passage: {d}")
    for other in {"query_template", "passage_template", "normalize"} - {field}:
        assert getattr(profile, other) == getattr(unchanged, other)


def test_a_published_folder_that_agrees_is_no_news(layout):
    folder = layout("e5-small-v2", config={"prompts": {"query": "query: ", "passage": "passage: "}})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert load_encoder(folder).profile.max_passage_length == 32


@pytest.mark.parametrize("path", ["../elsewhere", "/etc", "a/../../b", 7])
def test_a_module_outside_its_folder_is_refused(tmp_path, path):
    listed = [{"idx": 0, "path": path, "type": MODELS + "Transformer"}]
    (tmp_path / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(InputError, match="does not lie in the model's own folder"):
        read_layout(tmp_path)


def test_weights_outside_their_folder_are_refused(tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "../other/model.safetensors"}}))
    with pytest.raises(InputError, match="does not lie in the model's own folder"):
        shards(index)
