"""`store`: counted, verified, compacted and removed kinds of vectors."""

import re

import numpy as np
import pytest

from instrerank.cli import main
from instrerank.encoders.encoded import Encoded
from instrerank.encoders.stores.contents import compact, stored_kinds
from instrerank.encoders.stores.store import EmbeddingStore, StoreKey

KEY = StoreKey("f" * 64, "passage", "{d}", 256, "float32")


def rows(texts):
    vectors = np.array([[len(text), ord(text[0]), 1.0] for text in texts], np.float32)
    return Encoded(vectors, np.arange(len(texts)), np.zeros(len(texts), bool))


@pytest.fixture
def folder(tmp_path):
    store = EmbeddingStore(tmp_path / "store", KEY, 3)
    for texts in (["a", "bb"], ["ccc"], ["bb", "d"]):
        store.add(texts, rows(texts))
    return tmp_path / "store"


def damage(folder):
    path = sorted(folder.glob("*/*.safetensors"))[0]
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    return path


def test_what_is_there(folder):
    [kind] = stored_kinds(folder)
    assert kind.key["max_length"] == 256
    assert (kind.name, kind.dimension, kind.texts, kind.shards, kind.damaged) == (KEY.digest(), 3, 5, 3, [])


def test_compacted_vectors_are_found_by_old_and_new_processes(folder):
    texts = ["a", "bb", "ccc", "d"]
    before = EmbeddingStore(folder, KEY, 3)
    assert before.lookup(texts[:1])[0].all()
    after = compact(folder, stored_kinds(folder)[0])
    assert (after.shards, after.texts) == (1, 4)
    for store in (before, EmbeddingStore(folder, KEY, 3)):
        found, encoded = store.lookup(texts)
        assert found.all()
        assert encoded.vectors.tolist() == rows(texts).vectors.tolist()


def test_damaged_files_are_named_and_compacted_away(folder, capsys):
    path = damage(folder)
    assert main(["store", "--store", str(folder)]) == 0  # headers only
    assert main(["store", "--store", str(folder), "--verify"]) == 2
    assert re.search(r" 1 +ffffffff ", capsys.readouterr().out.splitlines()[-1])
    assert [kind.damaged for kind in stored_kinds(folder, verify=True)] == [[path.name]]
    assert main(["store", "--store", str(folder), "--compact", "--verify"]) == 0
    [kind] = stored_kinds(folder, verify=True)
    assert kind.damaged == [] and 2 <= kind.texts < 4


def test_removed_by_the_first_letters_of_a_name(folder, capsys):
    assert main(["store", "--store", str(folder), "--remove", "zzz"]) == 2
    assert f"--remove 'zzz' names 0 kinds of vectors. Available: {KEY.digest()}" in capsys.readouterr().err
    assert main(["store", "--store", str(folder), "--remove", KEY.digest()[:6]]) == 0
    assert stored_kinds(folder) == []
    assert main(["store", "--store", str(folder / "absent")]) == 2
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "file").touch()
    assert main(["store", "--store", str(folder.parent / "other")]) == 2
    assert "not an embedding store" in capsys.readouterr().err
