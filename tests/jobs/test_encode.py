"""`encode`: the same vectors whatever the shards, their order and kills; `rerank` then encodes no passage."""

import json

import pytest

import instrerank
from instrerank.cli import main
from instrerank.encoders.networks.packed import PackedBert
from instrerank.errors import InputError
from instrerank.jobs import encode as job

TEXTS = {f"d{number}": f"The tide of day {number} rises {'higher ' * (number % 7)}." for number in range(50)}
RUN = {"1": {docid: 50.0 - place for place, docid in enumerate(TEXTS)}, "2": {"d7": 2.0, "d3": 1.0}}
TOPICS = {"1": "high tides", "2": "low tides"}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(job, "_BLOCK", 8)


@pytest.fixture
def passages(tmp_path):
    path = tmp_path / "passages.jsonl"
    path.write_text("".join(json.dumps({"id": docid, "contents": text}) + "\n" for docid, text in TEXTS.items()))
    return path


@pytest.fixture
def encoded_texts(monkeypatch):
    """Count the texts that the network reads."""
    count = [0]
    states = PackedBert.token_states

    def counting(self, token_ids):
        count[0] += len(token_ids)
        return states(self, token_ids)

    monkeypatch.setattr(PackedBert, "token_states", counting)
    return count


def reranked(store, passages):
    run = instrerank.rerank(RUN, TOPICS, corpus=passages, encoder="minilm", store=store)
    return run.run


def test_shards_in_any_order_give_the_same_run(tmp_path, passages, encoded_texts):
    whole = instrerank.encode("minilm", passages, store=tmp_path / "whole")
    assert whole == instrerank.EncodedShard(tmp_path / "whole", 50, 50, 0, 0, 0)
    expected = reranked(tmp_path / "whole", passages)
    shards = [
        instrerank.encode("minilm", passages, store=tmp_path / "shards", shard_id=shard, shard_num=3)
        for shard in (2, 0, 1)
    ]
    assert [shard.encoded for shard in shards] == [16, 18, 16]
    encoded_texts[0] = 0
    assert reranked(tmp_path / "shards", passages) == expected
    assert encoded_texts[0] == len(TOPICS)


def test_a_killed_shard_goes_on(tmp_path, passages, encoded_texts, monkeypatch):
    expected = reranked(instrerank.encode("minilm", passages, store=tmp_path / "whole").store, passages)
    with monkeypatch.context() as patch:
        states = PackedBert.token_states

        def killed(self, token_ids):
            if encoded_texts[0] > 70:
                raise KeyboardInterrupt
            return states(self, token_ids)

        patch.setattr(PackedBert, "token_states", killed)
        with pytest.raises(KeyboardInterrupt):
            instrerank.encode("minilm", passages, store=tmp_path / "killed")
    again = instrerank.encode("minilm", passages, store=tmp_path / "killed")
    assert 0 < again.encoded < 50
    assert reranked(tmp_path / "killed", passages) == expected


def test_candidates_of_runs(tmp_path, passages):
    found = instrerank.encode("minilm", passages, runs=[RUN], hits=2, store=tmp_path / "store")
    assert (found.passages, found.encoded) == (4, 4)
    with pytest.raises(InputError, match="no text for 1 of 1 candidates: d99"):
        instrerank.encode("minilm", passages, runs=[{"1": {"d99": 1.0}}], store=tmp_path / "store")
    skipped = instrerank.encode(
        "minilm", passages, runs=[{"1": {"d99": 1.0}}], store=tmp_path / "store", missing="skip"
    )
    assert skipped[1:] == (0, 0, 0, 0, 1)


def test_what_is_left_out_is_counted(tmp_path, caplog):
    corpus = {"a": "tides " * 600, "b": " ", "c": "sand", "d": "sand"}
    found = instrerank.encode("minilm", corpus, store=tmp_path / "store")
    assert found[1:] == (3, 2, 1, 1, 0)
    assert "left out: 1 passage without text" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shard_id": 2, "shard_num": 2}, "must be less than `shard_num`, got 2 of 2"),
        ({"shard_id": -1}, "counts from 0"),
        ({"corpus": None}, "`corpus` or as `index`"),
        ({"index": "x"}, "`corpus` or as `index`"),
        ({"hits": 3}, "needs `runs`"),
        ({"store": "none"}, "give a folder as `store`"),
        ({"dtype": "cascade", "store": "default"}, "expected a bi-encoder"),
    ],
)
def test_what_is_refused(tmp_path, passages, settings, message):
    with pytest.raises(InputError, match=message):
        instrerank.encode(**{"encoder": "minilm", "corpus": passages, "store": tmp_path} | settings)


def test_the_verb(tmp_path, passages, capsys):
    command = ["encode", "--corpus", str(passages), "--encoder", "minilm", "--store", str(tmp_path / "store")]
    assert main([*command, "--shard-id", "1", "--shard-num", "2"]) == 0
    assert "shard 1 of 2: 24 passages, 24 newly encoded, 0 truncated" in capsys.readouterr().err
    assert main([*command, "--shard-id", "2", "--shard-num", "2"]) == 2
    assert "--shard-id counts from 0 and must be less than --shard-num, got 2 of 2" in capsys.readouterr().err
