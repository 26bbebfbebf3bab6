"""The embedding store: what survives, what is refused, and that nothing is encoded twice."""

import errno
import json
import os
import platform
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from instrerank.encoders import Encoded, load_encoder
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.stores.store import EmbeddingStore, StoreKey, store_size
from instrerank.errors import InputError

KEY = StoreKey("abc", "passage", "passage: {d}", 512, "float32")


def rows(*numbers: int) -> Encoded:
    vectors = np.array([[number, number / 3, -number] for number in numbers], np.float32)
    return Encoded(vectors, np.array(numbers, np.int64), np.array([number % 2 == 0 for number in numbers]))


def test_rows_come_back_in_the_order_asked_for_and_after_reopening(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "store", KEY, 3)
    assert not store.lookup(["one"])[0].any()
    store.add(["one", "two"], rows(1, 2))
    store.add(["three"], rows(3))
    for opened in (store, EmbeddingStore(tmp_path / "store", KEY, 3)):
        found, stored = opened.lookup(["three", "none", "one", "two", "three"])
        assert found.tolist() == [True, False, True, True, True]
        for field, expected in zip(stored, rows(3, 1, 2, 3), strict=True):
            np.testing.assert_array_equal(field, expected)
        assert len(opened) == 3


def test_many_hashes_are_told_apart(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, KEY, 3)
    store.add([str(number) for number in range(0, 2000, 2)], rows(*range(0, 2000, 2)))
    found, stored = store.lookup([str(number) for number in range(2000)])
    assert found.tolist() == [True, False] * 1000
    assert stored.token_counts.tolist() == list(range(0, 2000, 2))


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, fingerprint="abd"),
        replace(KEY, side="query"),
        replace(KEY, template="{d}"),
        replace(KEY, max_length=256),
        replace(KEY, dtype="bfloat16"),
        replace(KEY, device="cuda"),
    ],
)
def test_every_part_of_the_key_keeps_vectors_apart(tmp_path: Path, other: StoreKey) -> None:
    EmbeddingStore(tmp_path, KEY, 3).add(["one"], rows(1))
    assert not EmbeddingStore(tmp_path, other, 3).lookup(["one"])[0].any()


def test_the_digest_stays_that_of_format_1(tmp_path: Path) -> None:
    """Another digest would leave every vector of existing stores unfound."""
    assert KEY.digest() == "32f33749ac82dbc15b5ea4cc6b8da65a"
    EmbeddingStore(tmp_path, KEY, 3).add(["one"], rows(1))
    assert json.loads((tmp_path / KEY.digest() / "key.json").read_text())["precision"] == "float32"


def test_repr_tells_where_and_how_many(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, KEY, 3)
    store.add(["one", "two"], rows(1, 2))
    assert repr(store) == f"EmbeddingStore({str(tmp_path)!r}: 2 passage vectors, 3 dimensions)"


def test_two_processes_may_write(tmp_path: Path) -> None:
    one, other = EmbeddingStore(tmp_path, KEY, 3), EmbeddingStore(tmp_path, KEY, 3)
    one.add(["one", "both"], rows(1, 5))
    other.add(["two", "both"], rows(2, 5))
    assert EmbeddingStore(tmp_path, KEY, 3).lookup(["one", "two", "both"])[0].all()


def test_a_killed_writer_leaves_its_complete_shards(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from tests.encoders.test_store import KEY, rows
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.stores.store import EmbeddingStore
store = EmbeddingStore(sys.argv[1], KEY, 3)
store.add(["one"], rows(1))
Path.rename = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
store.add(["two"], rows(2))
"""
    root = Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert killed.returncode == -signal.SIGKILL
    found, _ = EmbeddingStore(tmp_path, KEY, 3).lookup(["one", "two"])
    assert found.tolist() == [True, False]


def test_a_damaged_shard_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = EmbeddingStore(tmp_path, KEY, 3)
    store.add(["one"], rows(1))
    (shard,) = tmp_path.rglob("*.safetensors")
    store.add(["two"], rows(2))
    shard.write_bytes(shard.read_bytes()[:-5])
    found, _ = EmbeddingStore(tmp_path, KEY, 3).lookup(["one", "two"])
    assert found.tolist() == [False, True]
    assert shard.name in caplog.text


def test_flipped_bits_are_found_wherever_they_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    EmbeddingStore(tmp_path, KEY, 3).add(["one", "two"], rows(1, 2))
    (shard,) = tmp_path.rglob("*.safetensors")
    whole = shard.read_bytes()
    for at in range(len(whole)):
        shard.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        found, stored = EmbeddingStore(tmp_path, KEY, 3).lookup(["two", "one"])
        for field, expected in zip(stored, rows(2, 1).take(np.flatnonzero(found)), strict=True):
            np.testing.assert_array_equal(field, expected)
    assert f"{shard}: its checksum differs" in caplog.text


def test_damaged_texts_are_taken_from_another_shard_or_encoded_again(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path, KEY, 3).add(["one", "two"], rows(1, 2))
    (shard,) = tmp_path.rglob("*.safetensors")
    shard.write_bytes(shard.read_bytes()[:-1] + b"\7")
    store = EmbeddingStore(tmp_path, KEY, 3)
    assert not store.lookup(["one", "two"])[0].any()
    store.add(["one"], rows(1))
    for opened in (store, EmbeddingStore(tmp_path, KEY, 3)):
        found, stored = opened.lookup(["one", "two"])
        assert found.tolist() == [True, False] and stored.token_counts.tolist() == [1]


def test_shards_of_earlier_versions_have_no_checksum(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path, KEY, 3).add(["one"], rows(1))
    (shard,) = tmp_path.rglob("*.safetensors")
    save_file(load_file(shard), shard)
    assert EmbeddingStore(tmp_path, KEY, 3).lookup(["one"])[0].all()


def test_shards_are_readable_as_other_files_are(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path, KEY, 3).add(["one"], rows(1))
    (shard,) = tmp_path.rglob("*.safetensors")
    assert shard.stat().st_mode == shard.with_name("key.json").stat().st_mode


def test_looking_makes_nothing(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path / "a" / "store", KEY, 3)
    assert not store.lookup(["one"])[0].any() and len(store) == 0
    assert not list(tmp_path.iterdir())


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make everything read-only, for root too."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)


def test_a_read_only_store_is_read_and_keeps_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    EmbeddingStore(tmp_path, KEY, 3).add(["one"], rows(1))
    before = sorted(tmp_path.rglob("*"))
    request.getfixturevalue("read_only")
    store = EmbeddingStore(tmp_path, KEY, 3)
    assert store.lookup(["one", "two"])[0].tolist() == [True, False]
    store.add(["two"], rows(2))
    store.add(["three"], rows(3))
    assert sorted(tmp_path.rglob("*")) == before
    assert caplog.text.count("is read-only: it is read, and new vectors are not kept") == 1


def test_the_default_store_is_read_where_it_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("INSTRERANK_CACHE", str(tmp_path))
    request.getfixturevalue("read_only")
    assert LoadOptions(store="default").store_folder() is None
    assert "passage vectors are not kept" in caplog.text
    (tmp_path / "store").mkdir()
    assert LoadOptions(store="default").store_folder() == tmp_path / "store"


@pytest.mark.usefixtures("read_only")
def test_a_store_that_cannot_be_made_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot make the embedding store .*no permission"):
        EmbeddingStore(tmp_path / "store", KEY, 3)


def test_finished_rows_are_kept_by_time_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 29, 31, 31])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    store, encoded = EmbeddingStore(tmp_path, KEY, 3), rows(1, 2, 3, 4)
    with pytest.raises(KeyboardInterrupt), store.keeping(["one", "two", "three", "four"], encoded) as keep:
        keep([1])
        assert not len(EmbeddingStore(tmp_path, KEY, 3))
        keep([0])
        assert EmbeddingStore(tmp_path, KEY, 3).lookup(["one", "two"])[0].all()
        monkeypatch.setattr(time, "monotonic", lambda: 32)
        keep([3])
        raise KeyboardInterrupt
    found, stored = EmbeddingStore(tmp_path, KEY, 3).lookup(["one", "two", "three", "four"])
    assert found.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(stored.vectors, encoded.vectors[[0, 1, 3]])


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path, KEY, 3).add(["one"], rows(1))
    (shard,) = tmp_path.rglob("*.safetensors")
    left = shard.with_name(f".{'0' * 32}.safetensors.{platform.node()}.{2**30}.01234567.partial")
    left.write_text("")
    EmbeddingStore(tmp_path, KEY, 3).add(["two"], rows(2))
    assert not left.exists()


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EmbeddingStore(tmp_path, KEY, 3)
    store.add(["one"], rows(1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"embedding store .*No space left.*free some space"):
        store.add(["two"], rows(2))
    assert EmbeddingStore(tmp_path, KEY, 3).lookup(["one", "two"])[0].tolist() == [True, False]
    assert not list(tmp_path.rglob("*.partial"))


def test_other_folders_and_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="not an embedding store"):
        EmbeddingStore(tmp_path / "mine", KEY, 3)
    EmbeddingStore(tmp_path / "store", KEY, 3).add(["one"], rows(1))
    mark = tmp_path / "store" / "instrerank-store.json"
    mark.write_text(json.dumps({"format": 99}))
    with pytest.raises(InputError, match="has format 99, this version of instrerank reads format 1"):
        EmbeddingStore(tmp_path / "store", KEY, 3)
    mark.write_text("{")
    with pytest.raises(InputError, match="cannot open the embedding store"):
        EmbeddingStore(tmp_path / "store", KEY, 3)


def test_size_is_counted(tmp_path: Path) -> None:
    assert store_size(tmp_path / "none") == 0
    EmbeddingStore(tmp_path, KEY, 3).add(["one"], rows(1))
    assert store_size(tmp_path) == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) > 32 + 12


def test_the_encoder_encodes_a_passage_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passages = ["a lighthouse keeper", "bread is baked", "a lighthouse keeper"]
    plain = load_encoder("minilm", device="cpu").encode_passages(passages)
    load_encoder("minilm", device="cpu", store=tmp_path).encode_passages(passages)
    warm = load_encoder("minilm", device="cpu", store=tmp_path)
    monkeypatch.setattr(warm.backend, "token_states", None)
    for field, expected in zip(warm.encode_passages(passages), plain, strict=True):
        np.testing.assert_array_equal(field, expected)
