"""`search` drops what `remove_query` names and records how it analysed the queries."""

import pytest

import instrerank as ir
from instrerank.jobs.sidecar import read_sidecar
from instrerank.trec import Passage

pytestmark = pytest.mark.java

PASSAGES = [Passage("a", "die Häuser am Hafen"), Passage("b", "Häuser und Schiffe")]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexes") / "german"
    ir.build_index(PASSAGES, folder, language="de")
    return folder


def stage(run):
    return read_sidecar(run)["method"]["retrieval"][0]


def test_a_query_that_is_a_document_is_dropped(index, tmp_path):
    topics = {"a": "die Häuser am Hafen"}
    assert [hit.docid for hit in ir.search(topics, index).run.rankings["a"]] == ["a", "b"]
    searched = ir.search(topics, index, remove_query=True, output=tmp_path / "run.txt")
    assert [hit.docid for hit in searched.run.rankings["a"]] == ["b"]
    assert searched.counts["candidates"] == 1
    assert stage(tmp_path / "run.txt")["remove query"] is True
    assert "--remove-query" in read_sidecar(tmp_path / "run.txt")["implementation"]["executable"]["cmd"]


def test_the_analyzer_is_recorded(index, tmp_path):
    ir.search({"1": "haus"}, index, output=tmp_path / "run.txt")
    assert stage(tmp_path / "run.txt")["analysis"] == {"language": "de"}


def test_a_warning_names_an_index_in_which_nothing_is_found(index, caplog):
    ir.search({"1": "mountain"}, index)
    assert f"no topic has results in {index}, searched with language de" in caplog.text
