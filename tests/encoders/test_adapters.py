import json
import shutil
import subprocess
import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny import LENGTH, PASSAGES, save_adapter

from instrerank.encoders import load_encoder
from instrerank.encoders.families.profiles import EncoderProfile, write_profile
from instrerank.encoders.networks import adapter_files
from instrerank.encoders.networks.adapters import merge_adapter, merge_by_peft, merge_plain_adapter
from instrerank.encoders.networks.packed import PackedBert
from instrerank.encoders.networks.packed_distilbert import PackedDistilBert
from instrerank.encoders.networks.packed_modernbert import PackedModernBert
from instrerank.encoders.networks.packed_mpnet import PackedMPNet
from instrerank.encoders.networks.weights import network_weights
from instrerank.errors import InputError, MissingPrerequisiteError

QUERY = ["why does copper turn green"]


@pytest.fixture
def base(models):
    return models("llama", "Llama-2-7b-hf")


@pytest.fixture
def adapter(lora, base):
    return lora(base, "repllama-mine")


def vector(base, adapter):
    return load_encoder(base, adapter=adapter).encode_queries(QUERY).vectors


def rewrite(adapter, tmp_path, change):
    """Copy an adapter, its weights changed."""
    folder = tmp_path / "repllama-changed"
    shutil.copytree(adapter, folder)
    weights = load_file(folder / "adapter_model.safetensors")
    save_file(change(weights), folder / "adapter_model.safetensors")
    return folder


def test_an_adapter_trained_under_a_language_model_head(models, lora, adapter):
    """The same adapter, trained on the causal language model: its keys have one level more."""
    causal = models("llama", "Llama-2-7b-hf", auto_class="AutoModelForCausalLM")
    other = lora(causal, "repllama-causal", auto_class="AutoModelForCausalLM")
    keys = set(load_file(other / "adapter_model.safetensors"))
    assert all(key.startswith("base_model.model.model.") for key in keys)
    bare = load_encoder(causal, pooling="last").encode_queries(QUERY).vectors
    assert np.abs(vector(causal, other) - bare).max() > 0.01


def test_an_adapter_that_changes_nothing(lora, base):
    with pytest.raises(InputError, match="all its lora_B weights are zero"):
        vector(base, lora(base, "repllama-zero", zero=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: {f"other.{key}": value for key, value in weights.items()}, "weights are not expected"),
        (lambda weights: dict(list(weights.items())[2:]), "expected weights are missing"),
        (lambda weights: {key: value[:, :-2].contiguous() for key, value in weights.items()}, "another base model"),
    ],
)
def test_weights_that_do_not_fit(base, adapter, tmp_path, change, message):
    with pytest.raises(InputError, match=message) as raised:
        vector(base, rewrite(adapter, tmp_path, change))
    assert "\n" not in str(raised.value)


def test_an_adapter_of_another_architecture(models, adapter):
    bert = models("bert", "unknown")
    with pytest.raises(InputError, match="another base model"):
        load_encoder(bert, adapter=adapter, pooling="mean")


def test_not_an_adapter(base, tmp_path):
    folder = tmp_path / "repllama-nothing"
    folder.mkdir()
    with pytest.raises(InputError, match="is not a peft adapter"):
        vector(base, folder)


def test_other_kinds_of_adapters(base, adapter, tmp_path):
    folder = rewrite(adapter, tmp_path, lambda weights: weights)
    config = json.loads((folder / "adapter_config.json").read_text())
    settings = {"peft_type": "IA3", "task_type": None, "base_model_name_or_path": config["base_model_name_or_path"]}
    (folder / "adapter_config.json").write_text(json.dumps({**settings, "target_modules": ["k_proj"]}))
    with pytest.raises(InputError, match="only LoRA"):
        vector(base, folder)


def test_corrupt_weights(base, adapter, tmp_path):
    folder = rewrite(adapter, tmp_path, lambda weights: weights)
    (folder / "adapter_model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(InputError, match="cannot read weights"):
        vector(base, folder)


def test_pickled_weights_only_when_asked(base, adapter, tmp_path):
    folder = rewrite(adapter, tmp_path, lambda weights: weights)
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match="`allow_bin`"):
        vector(base, folder)
    found = load_encoder(base, adapter=folder, allow_bin=True).encode_queries(QUERY).vectors
    np.testing.assert_allclose(found, vector(base, adapter), atol=1e-6)


def test_an_adapter_that_names_no_base(adapter, tmp_path):
    folder = rewrite(adapter, tmp_path, lambda weights: weights)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="does not name its base model"):
        load_encoder(folder)


def test_the_adapter_counts_for_the_fingerprint(base, adapter):
    assert load_encoder(base, adapter=adapter).fingerprint != load_encoder(base, pooling="last").fingerprint


def test_an_unknown_adapter_reads_what_its_base_reads(models, lora, base):
    known = models("mistral", "e5-mistral-7b-instruct")
    assert load_encoder(known, adapter=lora(known, "mine")).profile.family == "e5-mistral"
    with pytest.raises(InputError, match="not a known model"):
        load_encoder(base, adapter=lora(base, "mine"))


def test_an_adapter_on_the_query_side_leaves_passages_to_the_base(base, adapter, tmp_path):
    both = load_encoder(base, adapter=adapter)
    folder, bare = rewrite(adapter, tmp_path, lambda weights: weights), tmp_path / "bare"
    write_profile(replace(both.profile, adapter_side="query"), folder)
    shutil.copytree(base, bare)
    write_profile(both.profile, bare)
    plain = load_encoder(bare, store=tmp_path / "store").encode_passages(QUERY).vectors
    encoder = load_encoder(bare, adapter=folder, store=tmp_path / "store")
    np.testing.assert_array_equal(encoder.encode_queries(QUERY).vectors, both.encode_queries(QUERY).vectors)
    with patch.object(encoder.backend, "token_states", side_effect=AssertionError("the base's vector is stored")):
        np.testing.assert_array_equal(encoder.encode_passages(QUERY).vectors, plain)
    assert np.abs(plain - both.encode_passages(QUERY).vectors).max() > 0.01


PACKED = {"bert": PackedBert, "mpnet": PackedMPNet, "distilbert": PackedDistilBert, "modernbert": PackedModernBert}
TARGETS = {
    "bert": ["query", "value", "dense"],
    "mpnet": ["attn.q", "attn.v", "dense"],
    "distilbert": ["q_lin", "v_lin", "lin2"],
    "modernbert": ["Wqkv", "Wo", "Wi"],
}
NO_POOLER = r".*pooler.*"


def merged_by_arithmetic(kind, folder, adapter):
    return merge_plain_adapter(network_weights(folder, allow_bin=False), adapter, PACKED[kind].prefixes)


def merged_by_peft(folder, adapter):
    return merge_by_peft(transformers.AutoModel.from_pretrained(folder), adapter).state_dict()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("settings", [{}, {"use_rslora": True, "r": 3}, {"exclude_modules": r".*\.1\..*"}])
@pytest.mark.parametrize("kind", PACKED)
def test_arithmetic_gives_the_tensors_that_peft_gives(models, lora, tmp_path, kind, settings, dtype):
    base = models(kind, "unknown")
    adapter = lora(base, "mine", target_modules=TARGETS[kind], **settings)
    adapter = rewrite(adapter, tmp_path, lambda weights: {key: value.to(dtype) for key, value in weights.items()})
    bare = network_weights(base, allow_bin=False)
    merged, expected = merged_by_arithmetic(kind, base, adapter), merged_by_peft(base, adapter)
    assert merged.keys() == expected.keys()
    assert any((merged[name] - bare[name]).abs().max() > 0.01 for name in bare)
    for name, tensor in expected.items():
        torch.testing.assert_close(merged[name], tensor, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("kind", PACKED)
def test_vectors_are_those_of_the_network_that_peft_merges(models, lora, tmp_path, kind):
    base = models(kind, "unknown")
    adapter = lora(base, "mine", target_modules=TARGETS[kind])
    write_profile(EncoderProfile("mine", "mean", max_query_length=LENGTH, max_passage_length=LENGTH), adapter)
    expected = PACKED[kind](json.loads((base / "config.json").read_text()), merged_by_peft(base, adapter))
    with patch.dict(sys.modules, {"peft": None}):
        encoder = load_encoder(adapter, device="cpu")
    ids = [[2, 30, 40, 50, 3], [2, 60, 3]]
    torch.testing.assert_close(encoder.backend.token_states(ids), expected.token_states(ids), rtol=0, atol=1e-5)
    bare = load_encoder(base, pooling="mean", max_length=LENGTH, device="cpu").encode_passages(PASSAGES).vectors
    assert np.abs(encoder.encode_passages(PASSAGES).vectors - bare).max() > 0.01


def test_a_network_of_transformers_needs_no_peft_either(models, lora):
    base = models("llama", "unknown")
    adapter = lora(base, "mine", target_modules=["q_proj", "down_proj"])
    expected, bare = merged_by_peft(base, adapter), transformers.AutoModel.from_pretrained(base)
    before = {name: tensor.clone() for name, tensor in bare.state_dict().items()}
    with patch.dict(sys.modules, {"peft": None}):
        merged = merge_adapter(bare, adapter).state_dict()
    assert merged.keys() == expected.keys()
    assert any((merged[name] - before[name]).abs().max() > 0.01 for name in before)
    for name, tensor in expected.items():
        torch.testing.assert_close(merged[name], tensor, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "auto_class"),
    [
        ("bert", "AutoModelForSequenceClassification"),
        ("mpnet", "AutoModelForSequenceClassification"),
        ("distilbert", "AutoModelForSequenceClassification"),
        ("modernbert", "AutoModelForMaskedLM"),
    ],
)
def test_a_base_with_a_task_head(models, lora, kind, auto_class):
    """The names of its checkpoint have a prefix; ModernBERT's adapter was trained below the head, too."""
    base = models(kind, "unknown", auto_class=auto_class)
    trained_on = auto_class if kind == "modernbert" else "AutoModel"
    adapter = lora(base, "mine", target_modules=TARGETS[kind], exclude_modules=NO_POOLER, auto_class=trained_on)
    merged, expected = merged_by_arithmetic(kind, base, adapter), merged_by_peft(base, adapter)
    for name, tensor in expected.items():
        if "pooler" not in name:
            found = merged[f"{PACKED[kind].prefixes[0]}{name}"]
            torch.testing.assert_close(found, tensor, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"rank_pattern": {"query": 2}},
        {"alpha_pattern": {"query": 2}},
        {"bias": "lora_only"},
        {"modules_to_save": ["pooler"]},
        {"layers_to_transform": [1]},
        {"init_lora_weights": "pissa"},
        {"target_modules": ["query", "word_embeddings"]},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_only_peft_can_merge_goes_through_peft(models, lora, settings):
    base = models("bert", "unknown")
    adapter = lora(base, "mine", **{"target_modules": ["query"], **settings})
    assert merged_by_arithmetic("bert", base, adapter) is None
    flags = {"adapter": adapter, "pooling": "mean", "max_length": LENGTH, "device": "cpu"}
    with (
        patch.dict(sys.modules, {"peft": None}),
        pytest.raises(MissingPrerequisiteError, match=r"instrerank\[peft\]"),
    ):
        load_encoder(base, **flags)
    assert np.isfinite(load_encoder(base, **flags).encode_passages(PASSAGES).vectors).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: {f"other.{key}": value for key, value in weights.items()}, "weights are not expected"),
        (lambda weights: dict(list(weights.items())[2:]), "expected weights are missing"),
        (lambda weights: {key: value[:, :-2].contiguous() for key, value in weights.items()}, "another base model"),
        (lambda weights: {key: torch.zeros_like(value) for key, value in weights.items()}, "lora_B weights are zero"),
    ],
)
def test_weights_that_do_not_fit_a_packed_network(models, lora, tmp_path, change, message):
    base = models("bert", "unknown")
    folder = rewrite(lora(base, "mine", target_modules=["query"]), tmp_path, change)
    with pytest.raises(InputError, match=message):
        load_encoder(base, adapter=folder, pooling="mean", max_length=LENGTH, device="cpu")


@pytest.mark.parametrize("setting", [{"r": "four"}, {"r": 0}, {"lora_alpha": None}, {"target_modules": "(query"}])
def test_settings_that_are_none(models, lora, setting):
    base = models("bert", "unknown")
    folder = lora(base, "mine", target_modules=["query"])
    config = folder / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **setting}))
    with pytest.raises(InputError, match="adapter"):
        load_encoder(base, adapter=folder, pooling="mean", max_length=LENGTH, device="cpu")


def test_a_plain_adapter_needs_neither_peft_nor_transformers(models, lora):
    base = models("bert", "unknown")
    adapter = lora(base, "mine", target_modules=["query"])
    program = (
        "import sys; from instrerank.encoders import load_encoder;"
        f"load_encoder({str(base)!r}, adapter={str(adapter)!r}, pooling='mean', max_length={LENGTH}, device='cpu');"
        "assert not {'peft', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.parametrize("setting", ["target_modules", "exclude_modules", "rank_pattern"])
def test_a_pattern_without_end_is_refused(base, tmp_path, monkeypatch, setting):
    monkeypatch.setattr(adapter_files, "_LONGEST_MATCH", 0.5)
    folder = save_adapter(tmp_path / "adapter", base)
    hostile = r"((([\w.]+)+)+)+!"
    path = folder / "adapter_config.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {setting: {hostile: 2} if "rank" in setting else hostile})
    )
    with pytest.raises(InputError, match="takes too long to match"):
        merge_adapter(transformers.AutoModel.from_pretrained(base), folder)
