"""The index file of a store: what it finds, and that damage or a loss of it costs time alone."""

import os
from pathlib import Path

import numpy as np
import pytest

from instrerank.encoders.encoded import Encoded
from instrerank.encoders.stores.shard_index import ShardIndex, write_merged
from instrerank.encoders.stores.shards import text_hashes
from instrerank.encoders.stores.store import EmbeddingStore, StoreKey

KEY = StoreKey("abc", "passage", "{d}", 512, "float32")


@pytest.fixture(autouse=True)
def few_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instrerank.encoders.stores.store._TEXTS_IN_MEMORY", 5)
    monkeypatch.setattr("instrerank.encoders.stores.shard_index._ROWS_AT_ONCE", 4)


def names(numbers: range) -> list[str]:
    return [f"text {number}" for number in numbers]


def fill(folder: Path, numbers: range, a_shard: int = 3) -> None:
    store = EmbeddingStore(folder, KEY, 2)
    for start in range(0, len(numbers), a_shard):
        part = numbers[start : start + a_shard]
        vectors = np.array([[number, -number] for number in part], np.float32)
        store.add(names(part), Encoded(vectors, np.array(part, np.int64), np.zeros(len(part), bool)))


def counts(folder: Path, numbers: range) -> list[int | None]:
    found, stored = EmbeddingStore(folder, KEY, 2).lookup(names(numbers))
    rest = iter(stored.token_counts.tolist())
    return [next(rest) if here else None for here in found]


def index_of(folder: Path) -> Path:
    return folder / KEY.digest() / "index"


def test_what_is_in_the_index_is_not_read_into_memory(tmp_path: Path) -> None:
    fill(tmp_path, range(40))
    store = EmbeddingStore(tmp_path, KEY, 2)
    assert len(store) == 40 and len(store._new.hashes) <= 5 and len(store._indexed.hashes) >= 35
    assert len(store._open) <= 2
    assert counts(tmp_path, range(45)) == [*range(40), *[None] * 5]


@pytest.mark.parametrize("sizes", [(0, 7), (1, 1), (4, 4), (9, 30), (30, 9), (8, 1)])
def test_merging_gives_what_sorting_all_gives(tmp_path: Path, sizes: tuple[int, int]) -> None:
    random = np.random.default_rng(sum(sizes))
    shards = {
        f"s{number}": text_hashes([str(n) for n in random.integers(0, 25, size)]) for number, size in enumerate(sizes)
    }
    (one, two), path = shards.items(), tmp_path / "index"
    write_merged(path, ShardIndex.build(dict([one])), ShardIndex.build(dict([two])))
    for found, expected in zip(ShardIndex.open(path), ShardIndex.build(shards), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_no_damage_of_the_index_gives_a_wrong_vector(tmp_path: Path) -> None:
    fill(tmp_path, range(12))
    whole = index_of(tmp_path).read_bytes()
    for at in range(0, len(whole), 5):
        index_of(tmp_path).write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        found = counts(tmp_path, range(12))
        assert all(count in (number, None) for number, count in enumerate(found))
    for content in (b"", whole[:-1], b"[]\n", b"{}\n"):
        index_of(tmp_path).write_bytes(content)
        assert counts(tmp_path, range(12)) == list(range(12))


def test_a_damaged_or_removed_shard_of_the_index_is_left_out(tmp_path: Path) -> None:
    fill(tmp_path, range(12))
    shards = sorted(tmp_path.rglob("*.safetensors"))
    shards[0].unlink()
    shards[1].write_bytes(shards[1].read_bytes()[:-1] + b"\7")
    found = counts(tmp_path, range(12))
    assert found.count(None) == 6 and all(count in (number, None) for number, count in enumerate(found))
    missing = [number for number, count in enumerate(found) if count is None]
    for number in missing:
        fill(tmp_path, range(number, number + 1))
    assert counts(tmp_path, range(12)) == list(range(12))


def test_a_read_only_store_goes_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, range(12))
    index_of(tmp_path).unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert counts(tmp_path, range(12)) == list(range(12)) and not index_of(tmp_path).exists()


def test_one_of_many_writers_writes_the_index(tmp_path: Path) -> None:
    other = EmbeddingStore(tmp_path, KEY, 2)
    fill(tmp_path, range(12))
    written = index_of(tmp_path).stat().st_ino
    other.add(names(range(12, 13)), Encoded(np.ones((1, 2), np.float32), np.array([12]), np.zeros(1, bool)))
    assert index_of(tmp_path).stat().st_ino == written
    assert len(other) == 13 and other.lookup(names(range(13)))[0].all()
