"""Indexes appear whole or not at all, and nothing that is there is lost."""

import re
import subprocess

import pytest

from instrerank.anserini import IndexPassages, IndexStatistics, build_index, indexing
from instrerank.errors import InputError, InstrerankError
from instrerank.trec import Passage

ONE = [Passage("1", "the only passage")]


@pytest.fixture
def anserini(monkeypatch):
    """Put an Anserini of our making in place of the real one: it prints a log and exits with a code."""

    def say(log, code=0):
        monkeypatch.setattr(
            indexing.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, code, log)
        )

    return say


@pytest.mark.java
@pytest.mark.parametrize("threads", [1, 4])
def test_empty_passages_are_left_out_and_counted(tmp_path, threads):
    passages = [Passage("1", "a passage"), Passage("2", ""), Passage("3", "\t "), *[Passage("4", "x y")]]
    assert build_index(passages, tmp_path / "index", threads=threads) == IndexStatistics(documents=2, empty=2)
    assert IndexPassages(tmp_path / "index").lookup(["1", "2", "3"]) == {"1": "a passage"}
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


@pytest.mark.java
def test_an_index_is_replaced_only_when_asked(tmp_path):
    target = tmp_path / "deep" / "index"
    build_index(ONE, target)
    with pytest.raises(InputError, match=r"is an index already: .* --overwrite"):
        build_index([Passage("2", "another")], target)
    build_index([Passage("2", "another")], target, overwrite=True)
    assert list(IndexPassages(target)) == [Passage("2", "another")]
    assert [path.name for path in target.parent.iterdir()] == ["index"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_index_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="is there and is no index"):
        build_index(ONE, tmp_path, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_folder_may_be_there(tmp_path, anserini):
    anserini("…", code=1)
    (tmp_path / "index").mkdir()
    with pytest.raises(InstrerankError, match="did not index all"):
        build_index(ONE, tmp_path / "index")


@pytest.mark.parametrize(
    ("log", "code"),
    [
        ("java.lang.OutOfMemoryError: Java heap space", 1),
        ("INFO - indexed:                1\nINFO - empty:                  0\njava.io.IOException: disk full", 1),
        ("INFO - indexed:                0\nINFO - empty:                  0\nERROR a file was passed over", 0),
    ],
)
def test_a_failure_of_anserini_tells_its_log_and_leaves_nothing(tmp_path, anserini, log, code):
    anserini(log, code)
    with pytest.raises(InstrerankError) as raised:
        build_index(ONE, tmp_path / "index")
    assert log in str(raised.value)
    assert f"1 passages (exit code {code})" in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_failure_of_the_passages_leaves_nothing(tmp_path):
    def passages():
        yield from ONE
        raise InputError("line 2: not JSON")

    with pytest.raises(InputError, match="line 2"):
        build_index(passages(), tmp_path / "index")
    assert not list(tmp_path.iterdir())


def test_a_docid_that_stands_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="docid 1 stands twice"):
        build_index([*ONE, *ONE], tmp_path / "index")


@pytest.mark.parametrize("docid", ["", "a b", "a\tb"])
def test_a_docid_that_no_run_could_bear_is_refused(tmp_path, docid):
    with pytest.raises(InputError, match=re.escape(f"docid {docid!r}: it must be there and hold no blank")):
        build_index([Passage(docid, "text")], tmp_path / "index")


@pytest.mark.java
def test_passages_without_any_text_are_refused(tmp_path):
    with pytest.raises(InputError, match="nothing to index: 1 passages"):
        build_index([Passage("1", "")], tmp_path / "index")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*file/index: "):
        build_index(ONE, tmp_path / "file" / "index")


def test_threads_start_from_1(tmp_path):
    with pytest.raises(InputError, match="given 0"):
        build_index(ONE, tmp_path / "index", threads=0)
