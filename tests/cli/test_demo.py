"""The demo, end to end, and the runs and qrels of the checkout held against it."""

import subprocess
import sys
from pathlib import Path

import pytest

from instrerank.trec import read_run

pytestmark = pytest.mark.java
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    # a process of its own: the JVM must not stay in that of the tests
    command = [sys.executable, "-m", "instrerank", "demo", "--output", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return folder, done


def test_one_table_and_the_places(demo):
    folder, done = demo
    assert "instrerank-minilm, changed instruction" in done.stdout
    assert f"Qrels: {folder / 'qrels'}" in done.stdout
    scores = dict(
        line.rsplit(maxsplit=4)[:2] for line in done.stdout.splitlines() if line.startswith(("BM25 ", "instrerank"))
    )
    assert 0.45 <= float(scores["BM25"]) <= 0.75, "pocket is to be neither easy nor hopeless for BM25"
    assert float(scores["instrerank-minilm, no instruction"]) > float(scores["BM25"])


def test_nothing_of_the_jvm_and_the_libraries_reaches_the_terminal(demo):
    index, *runs = demo[1].stderr.splitlines()
    assert index.endswith("indexes/pocket: 360 passages")
    assert all(".txt: 30 topics, " in line for line in runs), runs


def test_the_committed_runs_and_qrels_are_those_of_the_demo(demo):
    folder, _ = demo
    for kind in ("runs", "qrels"):
        committed = {path.name for path in (CHECKOUT / kind).glob("*.txt")}
        assert committed == {path.name for path in (folder / kind).glob("*.txt")}
    for path in (folder / "qrels").iterdir():
        assert path.read_bytes() == (CHECKOUT / "qrels" / path.name).read_bytes()
    for path in (folder / "runs").glob("*.txt"):
        fresh, committed = read_run(path).rankings, read_run(CHECKOUT / "runs" / path.name).rankings
        assert list(fresh) == list(committed)
        for qid in fresh:
            # another processor may round the last digit of a score differently, and no more than that
            assert dict(fresh[qid]) == pytest.approx(dict(committed[qid]), abs=1e-5)
