"""`build_index` takes passages by any name, or from memory."""

import pytest

import instrerank
from instrerank.anserini import IndexPassages
from instrerank.errors import InputError
from instrerank.trec import Passage


@pytest.mark.java
@pytest.mark.parametrize("corpus", [{"a": "the moon"}, [Passage("a", "the moon")], "passages.tsv"])
def test_passages_by_name_or_from_memory(tmp_path, monkeypatch, corpus):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "passages.tsv").write_text("a\tthe moon\n")
    assert instrerank.build_index(corpus, tmp_path / "index").documents == 1
    assert IndexPassages(tmp_path / "index").lookup(["a"]) == {"a": "the moon"}


def test_a_corpus_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match="nowhere.jsonl"):
        instrerank.build_index("nowhere.jsonl", tmp_path / "index")
