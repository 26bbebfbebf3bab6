"""Indexes appear whole or not at all, and nothing that is there is lost."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from instrerank.anserini import IndexPassages, IndexStatistics, build_index, indexing
from instrerank.errors import InputError, InstrerankError
from instrerank.files import one_process, partial_path
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
    with pytest.raises(InputError, match=r"is already an index: .* `overwrite`"):
        build_index([Passage("2", "another")], target)
    build_index([Passage("2", "another")], target, overwrite=True)
    assert list(IndexPassages(target)) == [Passage("2", "another")]
    assert [path.name for path in target.parent.iterdir()] == ["index"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_index_is_never_touched(tmp_path, overwrite):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="exists and is not an index"):
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
    assert f"1 passage (exit code {code})" in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_failure_of_the_passages_leaves_nothing(tmp_path):
    def passages():
        yield from ONE
        raise InputError("line 2: not JSON")

    with pytest.raises(InputError, match="line 2"):
        build_index(passages(), tmp_path / "index")
    assert not list(tmp_path.iterdir())


def test_a_duplicate_docid_is_refused(tmp_path):
    with pytest.raises(InputError, match="duplicate docid 1"):
        build_index([*ONE, *ONE], tmp_path / "index")


@pytest.mark.parametrize(
    ("docid", "problem"), [("", "is empty"), ("a b", "contains whitespace"), ("a\tb", "contains")]
)
def test_a_docid_that_no_run_file_can_hold_is_refused(tmp_path, docid, problem):
    with pytest.raises(InputError, match=re.escape(f"docid {docid!r} {problem}")):
        build_index([Passage(docid, "text")], tmp_path / "index")


@pytest.mark.java
def test_passages_without_any_text_are_refused(tmp_path):
    with pytest.raises(InputError, match="nothing to index: 1 passage, none with text"):
        build_index([Passage("1", "")], tmp_path / "index")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write .*file/index: "):
        build_index(ONE, tmp_path / "file" / "index")


def test_threads_start_from_1(tmp_path):
    with pytest.raises(InputError, match="`threads` must be at least 1, got 0"):
        build_index(ONE, tmp_path / "index", threads=0)


def fake_index(folder, name="segments_1"):
    folder.mkdir(parents=True)
    (folder / name).touch()
    return folder


def test_an_index_that_a_killed_call_had_moved_away_comes_back(tmp_path, anserini, caplog):
    fake_index(tmp_path / ".index.replaced", "segments_old")
    with pytest.raises(InputError, match="is already an index"):
        build_index(ONE, tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    assert (tmp_path / "index" / "segments_old").exists() and "the old index has been restored" in caplog.text


def test_what_a_finished_replacement_had_no_time_to_remove_is_removed(tmp_path, anserini):
    fake_index(tmp_path / ".index.replaced", "segments_old")
    fake_index(tmp_path / "index", "segments_new")
    with pytest.raises(InputError, match="is already an index"):
        build_index(ONE, tmp_path / "index")
    assert [path.name for path in tmp_path.rglob("*")] == ["index", "segments_new"]


@pytest.mark.parametrize("step", [0, 1])
def test_a_kill_between_the_renames_loses_no_index(tmp_path, monkeypatch, step):
    target, built = fake_index(tmp_path / "index", "segments_old"), fake_index(tmp_path / "built", "segments_new")
    steps = iter([None] * step + [KeyboardInterrupt])
    rename = Path.rename

    def killed(self, other):
        error = next(steps)
        if error:
            raise error
        return rename(self, other)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", killed)
        indexing._put_in_place(built, target)
    indexing._restore(target)
    assert (target / "segments_old").exists() and not (tmp_path / ".index.replaced").exists()


def test_a_failed_replacement_keeps_the_old_index(tmp_path, anserini):
    fake_index(tmp_path / "index", "segments_old")
    anserini("java.lang.OutOfMemoryError", code=1)
    with pytest.raises(InstrerankError):
        build_index(ONE, tmp_path / "index", overwrite=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["index", "segments_old"]


def test_what_a_dead_process_left_is_removed(tmp_path, anserini, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 2**22 + 1)  # above any process
        (partial_path(tmp_path / "index") / "collection").mkdir(parents=True)
    anserini("…", code=1)
    with pytest.raises(InstrerankError):
        build_index(ONE, tmp_path / "index")
    assert not list(tmp_path.iterdir())


def test_two_calls_into_one_folder_do_not_meet(tmp_path):
    with one_process(tmp_path / "index"), pytest.raises(InputError, match="another process is writing"):
        build_index(ONE, tmp_path / "index")


def test_a_link_is_followed(tmp_path):
    real = fake_index(tmp_path / "real", "segments_old")
    (tmp_path / "link").symlink_to(real)
    with pytest.raises(InputError, match="real is already an index"):
        build_index(ONE, tmp_path / "link")


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_java_dies_with_us(tmp_path, killed_by):
    script = (
        "import sys; from instrerank.anserini.indexing import _run_with_us;"
        "_run_with_us(['sh', '-c', 'echo $$ > number; exec sleep 60'])"
    )
    ours = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.DEVNULL)
    number = tmp_path / "number"
    while not (number.exists() and number.read_text().strip()):
        time.sleep(0.02)
    java = int(number.read_text())
    assert alive(java)
    ours.send_signal(killed_by)
    ours.wait()
    for _ in range(100):
        if not alive(java):
            break
        time.sleep(0.05)
    assert not alive(java)


def test_a_program_that_ends_by_itself_is_reported_as_it_ended():
    done = indexing._run_with_us(["sh", "-c", "echo one; exit 3"])
    assert (done.stdout, done.returncode) == ("one\n", 3)
