"""What training leaves behind loads as what it is, here and in sentence-transformers."""

import json

import numpy as np
import pytest
import torch

from instrerank.encoders import load_encoder
from instrerank.encoders.loading import find_model
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.training.models import Lora, current_encoder, load_trainable, save_trained

QUERIES, INSTRUCTIONS = ["why does bread rise"], ["Explain the cause."]
PASSAGES = ["Yeast eats sugar.", "Tides follow the moon."]


def altered(files, **settings):
    """A model with other weights than its base, as training would leave it."""
    model = load_trainable(files, passages=PASSAGES, **settings)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


def assert_same(encoder, model):
    queries, passages = model(list(zip(QUERIES, INSTRUCTIONS, strict=True)), PASSAGES)
    for mine, theirs in (
        (encoder.encode_queries(QUERIES, INSTRUCTIONS).vectors, queries),
        (encoder.encode_passages(PASSAGES).vectors, passages),
    ):
        np.testing.assert_allclose(mine, theirs.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_a_whole_model_loads_here_and_in_sentence_transformers(models, tmp_path, kind):
    from sentence_transformers import SentenceTransformer

    template = "query: {q} {i}"
    files = find_model(models(kind, "some-model"), pooling="mean", query_template=template)
    model = altered(files)
    save_trained(model, files, tmp_path / "trained", "# A card\n")
    encoder = load_encoder(tmp_path / "trained")
    assert_same(encoder, model)
    assert encoder.profile.query_template == template and "trained by instrerank" in encoder.profile.source
    theirs = SentenceTransformer(str(tmp_path / "trained"), device="cpu")
    vectors = theirs.encode_query([f"{QUERIES[0]} {INSTRUCTIONS[0]}"])
    np.testing.assert_allclose(vectors, encoder.encode_queries(QUERIES, INSTRUCTIONS).vectors, atol=1e-5)
    np.testing.assert_allclose(theirs.encode_document(PASSAGES), encoder.encode_passages(PASSAGES).vectors, atol=1e-5)
    assert (tmp_path / "trained" / "README.md").read_text() == "# A card\n"
    assert not (tmp_path / "trained" / ".partial").exists()


def test_a_folder_in_the_layout_keeps_its_modules(models, tmp_path):
    files = find_model(models("bert", "some-model"), pooling="mean")
    save_trained(altered(files), files, tmp_path / "once", "")
    files = find_model(tmp_path / "once")
    model = altered(files)
    save_trained(model, files, tmp_path / "twice", "")
    assert_same(load_encoder(tmp_path / "twice"), model)


def test_a_module_without_a_name_is_refused_before_the_training(models, tmp_path):
    files = find_model(models("bert", "some-model"), pooling="mean")
    save_trained(altered(files), files, tmp_path / "once", "")
    modules = json.loads((tmp_path / "once" / "modules.json").read_text())
    del modules[0]["name"]
    (tmp_path / "once" / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match=r"modules\.json: a module has no `name`"):
        load_trainable(find_model(tmp_path / "once"))
    assert load_trainable(find_model(tmp_path / "once"), lora=Lora())


@pytest.mark.parametrize("side", ["both", "query"])
def test_an_adapter_names_its_base_and_its_side(models, tmp_path, side):
    folder = models("bert", "some-model")
    files = find_model(folder, pooling="mean")
    model = altered(files, lora=Lora(rank=4, side=side), device="cpu")
    save_trained(model, files, tmp_path / "adapter", "")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(folder) and config["r"] == 4
    encoder = load_encoder(tmp_path / "adapter")
    assert_same(encoder, model)
    assert encoder.profile.adapter_side == side
    base = load_encoder(folder, pooling="mean").encode_passages(PASSAGES).vectors
    assert np.allclose(encoder.encode_passages(PASSAGES).vectors, base, atol=1e-6) == (side == "query")
    assert_same(load_encoder(folder, adapter=tmp_path / "adapter"), model)


def test_the_encoder_as_it_is_uses_the_bases_stored_vectors(models, tmp_path):
    files = find_model(models("bert", "some-model"), pooling="mean")
    model = altered(files, lora=Lora(rank=4, side="query"), device="cpu", store=tmp_path / "store")
    encoder = current_encoder(model, files)
    assert len(encoder.store) == 2
    assert_same(encoder, model)


def test_an_adapter_of_an_adapter_is_refused(models, tmp_path):
    files = find_model(models("bert", "some-model"), pooling="mean")
    save_trained(altered(files, lora=Lora()), files, tmp_path / "adapter", "")
    with pytest.raises(InputError, match="train a new one on its base model"):
        load_trainable(find_model(tmp_path / "adapter"), lora=Lora())


def test_a_folder_that_cannot_be_written(models, tmp_path):
    files = find_model(models("bert", "some-model"), pooling="mean")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        save_trained(altered(files, lora=Lora()), files, tmp_path / "file", "")


@pytest.mark.parametrize(("package", "lora"), [("peft", Lora()), ("sentence_transformers", None)])
def test_missing_packages_are_named(models, tmp_path, monkeypatch, package, lora):
    files = find_model(models("bert", "some-model"), pooling="mean")
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingPrerequisiteError, match=package.replace("_", "-")):
        save_trained(load_trainable(files, lora=lora), files, tmp_path / "trained", "")


def test_wrong_adapters_are_refused():
    with pytest.raises(InputError, match="side passage"):
        Lora(side="passage")
