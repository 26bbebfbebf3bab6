"""`search` drops what `remove_query` names and records how it analysed the queries."""

import pytest

import instrerank as ir
from instrerank.cli import main
from instrerank.collections import load_excluded
from instrerank.errors import InputError
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


def test_the_next_documents_take_the_places_of_excluded_ones(index, tmp_path, caplog):
    topics = {"1": "häuser", "2": "häuser"}
    [first, second] = ir.search(topics, index).run.rankings["1"]
    searched = ir.search(topics, index, hits=1, exclude={"1": [first.docid]}, output=tmp_path / "run.txt")
    assert searched.run.rankings == {"1": [second], "2": [first]}
    assert searched.counts["excluded documents"] == 1
    assert stage(tmp_path / "run.txt")["excluded"]["source"] == "in memory"
    again = ir.search(topics, index, hits=1, exclude={"1": [first.docid]}, output=tmp_path / "run.txt", resume=True)
    assert (again.run, again.counts) == (searched.run, searched.counts)
    assert ir.search(topics, index, exclude={"1": ["a", "b"]}).counts["topics without candidates"] == ["1"]
    assert ir.search(topics, index, exclude={"2": ["a"]}, limit=1).counts["excluded documents"] == 0
    with pytest.raises(InputError, match="excluded for 1 qid that the topics do not have: 3"):
        ir.search(topics, index, exclude={"3": ["a"]}, limit=1)


def test_excluded_documents_of_a_file_are_part_of_the_configuration(index, tmp_path):
    (tmp_path / "excluded.txt").write_text("1 0 a 1\n1 0 b 0\n")
    topics, output = tmp_path / "topics.tsv", str(tmp_path / "run.txt")
    topics.write_text("1\thäuser\n")
    flags = ["search", "--index", str(index), "--topics", str(topics), "--output", output]
    exclude = ["--exclude", str(tmp_path / "excluded.txt")]
    assert main([*flags, *exclude]) == 0
    assert (tmp_path / "run.txt").read_text().split()[2] == "b"
    command = read_sidecar(output)["implementation"]["executable"]["cmd"]
    assert f"--exclude {tmp_path / 'excluded.txt'}" in command
    assert main([*flags, *exclude, "--resume"]) == 0
    assert main([*flags, "--resume"]) == 2


def test_a_task_that_excludes_documents_is_searched_with_a_warning_or_without_them(monkeypatch, tmp_path, caplog):
    pytest.importorskip("mteb")
    import mteb_hub

    name = "mteb:BrightPonyRetrieval"
    mteb_hub.register(monkeypatch, "BrightPonyRetrieval", mteb_hub.write_bright(tmp_path / "data", "pony"))
    ir.build_index(name, tmp_path / "index")
    everything = ir.search(name, tmp_path / "index").run.rankings
    assert f"may not be retrieved by {name}: give `exclude` {name} to leave them out" in caplog.text
    excluded = load_excluded(name)
    kept = {
        qid: [document.docid for document in ranking if document.docid not in excluded.get(qid, ())]
        for qid, ranking in everything.items()
    }
    found = ir.search(name, tmp_path / "index", exclude=name).run.rankings
    assert {qid: [document.docid for document in ranking] for qid, ranking in found.items()} == kept != everything
