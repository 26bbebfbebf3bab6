"""A study resumed on two Ray nodes, one of them lost midway: the same files as in one process."""

import json
import shutil

import pytest

from instrerank.cli import main
from instrerank.collections import POCKET
from instrerank.study import configure, make_plan, run_study
from instrerank.trec import Run, ScoredDoc, read_topics, write_run

pytest.importorskip("ray")
from ray_nodes import HANGS, WAITS, customized, killed_when, two_nodes


@pytest.fixture
def plan(tmp_path):
    """Two encoders, one of which does not exist, over six topics with twenty candidates each."""
    docids = [line.split('"')[3] for line in (POCKET / "passages.jsonl").read_text().splitlines()[:20]]
    ranking = [ScoredDoc(docid, 20.0 - rank) for rank, docid in enumerate(docids)]
    run = tmp_path / "run.txt"
    write_run(run, Run("bm25", {topic.qid: ranking for topic in read_topics(POCKET / "topics.tsv")}))
    settings = {"collection": "pocket", "run": str(run), "encoders": ["minilm", "no/such-model"]}
    return make_plan(configure(settings | {"conditions": ["none"], "perturbations": ["typo-mixed"], "seeds": [1, 2]}))


def files(folder):
    """Return the bytes of all files but the log."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "log.jsonl"
    }


@pytest.mark.ray
def test_a_study_goes_on_where_a_node_is_lost_midway(tmp_path, plan, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    expected = run_study(plan, tmp_path / "one", store=tmp_path / "store-of-one")
    assert len(expected.failures) == 4
    flag = tmp_path / "hangs"
    waits = customized(tmp_path / "wait", WAITS, flag)
    hangs = customized(tmp_path / "hang", HANGS, flag, after=0)
    # a study that was stopped: one run is whole, one is not, the others are missing
    shutil.copytree(tmp_path / "one", tmp_path / "two", ignore=shutil.ignore_patterns("tables", "log.jsonl"))
    runs = sorted((tmp_path / "two" / "runs").rglob("*minilm*.txt"))
    runs[1].write_text("")
    for run in runs[2:]:
        run.unlink()
    with two_nodes(monkeypatch, waits, hangs) as kill, killed_when(flag, kill):
        found = run_study(plan, tmp_path / "two", store=tmp_path / "store", engine="ray", resume=True)
    assert [failure.cell for failure in found.failures] == [failure.cell for failure in expected.failures]
    assert files(tmp_path / "two") == files(tmp_path / "one")
    steps = [json.loads(line).get("step") for line in (tmp_path / "two" / "log.jsonl").read_text().splitlines()]
    assert "passages" in steps and "rerank" in steps


def test_a_cluster_that_does_not_answer(tmp_path, plan, monkeypatch, capsys):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    run = str(tmp_path / "run.txt")
    study = ["study", "--collection", "pocket", "--run", run, "--encoders", "minilm", "--output", str(tmp_path / "s")]
    assert main([*study, "--engine", "ray"]) == 3
    assert "no Ray cluster answers at 127.0.0.1:1" in capsys.readouterr().err
