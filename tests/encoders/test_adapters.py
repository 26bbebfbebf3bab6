import json
import shutil
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from instrerank.encoders import load_encoder
from instrerank.encoders.profiles import write_profile
from instrerank.errors import InputError

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
        (lambda weights: {f"other.{key}": value for key, value in weights.items()}, "have no place"),
        (lambda weights: dict(list(weights.items())[2:]), "places have no weight"),
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
    with pytest.raises(InputError, match="no peft adapter"):
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
    import torch

    folder = rewrite(adapter, tmp_path, lambda weights: weights)
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(InputError, match="--allow-bin"):
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
    with pytest.raises(InputError, match="no model this project knows"):
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
