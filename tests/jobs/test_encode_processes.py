"""`encode` by many processes, some killed: an array in random order and a Ray cluster give one process's bytes."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny

import instrerank
from instrerank.cli import main
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.jobs import cluster

pytest.importorskip("ray")
from ray_nodes import FULL, HANGS, WAITS, customized, killed_when, two_nodes

MODEL = "intfloat/e5-small-v2"
TEXTS = {f"d{number}": f"tide {number:x} of the moon" for number in range(2 * 4096 + 200)}
"""Three blocks."""
RUN = {"1": {docid: -float(place) for place, docid in enumerate(list(TEXTS)[::9])}}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A cache of the hub with a model of random weights, and one with another version of it."""
    folder = tmp_path_factory.mktemp("hub")
    snapshot = folder / "hub" / f"models--{MODEL.replace('/', '--')}" / "snapshots" / ("1" * 40)
    tiny.save(snapshot, "bert")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("1" * 40)
    shutil.copytree(folder / "hub", folder / "other")
    config = folder / "other" / snapshot.relative_to(folder / "hub") / "config.json"
    config.write_text(config.read_text().replace('"layer_norm_eps": 1e-12', '"layer_norm_eps": 1e-06'))
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch, hub):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub / "hub"))
    monkeypatch.setenv("HF_HUB_CACHE", str(hub / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def passages(tmp_path_factory):
    path = tmp_path_factory.mktemp("passages") / "passages.jsonl"
    path.write_text("".join(json.dumps({"id": docid, "contents": text}) + "\n" for docid, text in TEXTS.items()))
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory, passages, hub):
    """What one process makes: every vector, and a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub / "hub"))
        store = tmp_path_factory.mktemp("whole") / "store"
        assert instrerank.encode(MODEL, passages, store=store).encoded == len(TEXTS)
        return made(store, passages)


def made(store, passages):
    """Return the bytes of all vectors in a store, and of a run made with it, which leaves nothing to encode."""
    encoder = instrerank.load_encoder(MODEL, store=store)
    assert encoder.count_stored(list(TEXTS.values())) == len(TEXTS)
    files = sorted(store.rglob("*.safetensors"))
    run = store.with_name("run.txt")
    instrerank.rerank(RUN, {"1": "moon tides"}, corpus=passages, encoder=encoder, output=run, hits=10**6)
    assert sorted(store.rglob("*.safetensors")) == files
    return encoder.encode_passages(list(TEXTS.values())).vectors.tobytes(), run.read_bytes()


def test_an_array_of_processes_in_random_order_one_of_them_killed(tmp_path, passages, whole):
    store, flag = tmp_path / "store", tmp_path / "hangs"
    command = [sys.executable, "-m", "instrerank", "encode", "--corpus", str(passages), "--encoder", MODEL]
    command += ["--store", str(store), "--shard-num", "2", "--shard-id"]
    hangs = customized(tmp_path / "hang", HANGS, flag, after=1)
    shards = [("0", hangs), ("1", {})]
    random.shuffle(shards)
    processes = {shard: subprocess.Popen([*command, shard], env=os.environ | custom) for shard, custom in shards}
    while not flag.exists():
        assert processes["0"].poll() is None
        time.sleep(0.05)
    processes["0"].kill()
    assert processes["0"].wait() == -9
    assert processes["1"].wait() == 0
    again = subprocess.run([*command, "0"], capture_output=True, text=True)
    assert "shard 0 of 2: 4296 passages, 200 newly encoded" in again.stderr
    assert made(store, passages) == whole


@pytest.mark.ray
def test_a_node_is_lost_midway(tmp_path, passages, whole, monkeypatch):
    flag = tmp_path / "hangs"
    waits = customized(tmp_path / "wait", WAITS, flag)
    hangs = customized(tmp_path / "hang", HANGS, flag, after=0)
    with two_nodes(monkeypatch, waits, hangs) as kill, killed_when(flag, kill):
        found = instrerank.encode(MODEL, passages, store=tmp_path / "store", engine="ray", shard_num=3)
    assert found[1:] == (len(TEXTS), len(TEXTS), 0, 0, 0)
    assert made(tmp_path / "store", passages) == whole


@pytest.mark.ray
def test_a_node_with_a_full_disk_fails_its_shards_and_the_rest_is_kept(tmp_path, passages, whole, monkeypatch):
    flag = tmp_path / "full"
    waits, full = customized(tmp_path / "wait", WAITS, flag), customized(tmp_path / "disk", FULL, flag)
    failed = pytest.raises(InputError, match=r"of 3 shards failed.*No space left on device.*\(node .*run again")
    with two_nodes(monkeypatch, waits, full), failed:
        instrerank.encode(MODEL, passages, store=tmp_path / "store", engine="ray", shard_num=3)
    stored = instrerank.load_encoder(MODEL, store=tmp_path / "store").count_stored(list(TEXTS.values()))
    assert 0 < stored < len(TEXTS)
    assert instrerank.encode(MODEL, passages, store=tmp_path / "store").encoded == len(TEXTS) - stored
    assert made(tmp_path / "store", passages) == whole


@pytest.mark.ray
def test_a_node_without_the_model_is_left_out(tmp_path, passages, whole, hub, monkeypatch, capsys):
    flag = tmp_path / "refused"
    monkeypatch.setattr(cluster.log, "warning", lambda message: (flag.touch(), log.append(message)))
    log = []
    waits = customized(tmp_path / "wait", WAITS, flag)
    with two_nodes(monkeypatch, waits, {"HF_HUB_CACHE": str(tmp_path / "empty")}):
        instrerank.encode(MODEL, passages, store=tmp_path / "store", engine="ray")
        [message] = log
        assert message.startswith(
            "a node is left out: the model intfloat/e5-small-v2 is not in the Hugging Face cache"
        )
        assert made(tmp_path / "store", passages) == whole
        # nobody has the version that is here
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub / "other"))
        command = ["encode", "--corpus", str(passages), "--encoder", MODEL, "--store", str(tmp_path / "store")]
        assert main([*command, "--engine", "ray"]) == 3
    assert "no node can do the work. The first: " in capsys.readouterr().err
    assert any("intfloat/e5-small-v2 is another model here than where the job was started" in each for each in log)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "no-such-host.invalid:6379"])
def test_an_address_that_does_not_answer(tmp_path, passages, monkeypatch, capsys, address):
    monkeypatch.setenv("RAY_ADDRESS", address)
    command = ["encode", "--corpus", str(passages), "--encoder", MODEL, "--store", str(tmp_path / "store")]
    assert main([*command, "--engine", "ray"]) == 3
    assert f"no Ray cluster answers at {address}" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "spark"}, "unknown `engine` 'spark'. Available: local, ray"),
        ({"shard_id": 1, "shard_num": 2}, "leave out `shard_id`, got 1"),
        ({"store": "none"}, "give a folder as `store`"),
        ({"corpus": "-"}, "not standard input"),
        ({"encoder": object()}, "give its name or folder as `encoder`"),
    ],
)
def test_what_is_refused_before_ray_starts(passages, settings, message):
    with pytest.raises(InputError, match=message):
        instrerank.encode(**{"encoder": MODEL, "corpus": passages, "engine": "ray"} | settings)


def test_a_node_must_share_the_folders_and_have_the_versions(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_SECONDS_TO_SHARE", 0)
    versions = cluster.versions()
    with pytest.raises(MissingPrerequisiteError, match="is not the folder of the machine where the job was started"):
        cluster._made_here(list, [tmp_path / "probe"], versions, tmp_path / "elsewhere")
    with pytest.raises(MissingPrerequisiteError, match=re.escape(f"torch {versions['torch']}, not 2.0")):
        cluster._made_here(list, [], versions | {"torch": "2.0"}, tmp_path / "elsewhere")


def test_shards_of_batches_give_the_vectors_of_one_call(tmp_path):
    texts = [f"tide {'higher ' * (number % 9)}{number}" for number in range(300)]
    alone = instrerank.load_encoder(MODEL, store="none", batch_tokens=64).encode_passages(texts).vectors
    encoder = instrerank.load_encoder(MODEL, store=tmp_path / "store", batch_tokens=64)
    counts = []
    for shard in (2, 0, 1, 0):
        encoder.keep_passages(texts, shard_id=shard, shard_num=3)
        counts.append(encoder.count_stored(texts))
    assert 0 < counts[0] < counts[1] < counts[2] == counts[3] == 300
    assert np.array_equal(encoder.encode_passages(texts).vectors, alone)
