"""The scripts of docs/scripts: none over 12 lines, and each runs as it stands."""

import runpy
import shutil
from pathlib import Path

import pytest

import instrerank as ir
from instrerank.collections import POCKET
from instrerank.trec import write_qrels, write_topics

SCRIPTS = Path(__file__).parents[1] / "docs" / "scripts"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """BM25's run of pocket, and three collections of ten of its topics each."""
    folder = tmp_path_factory.mktemp("scripts")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        ir.build_index("pocket", folder / "indexes" / "bm25")
        run = ir.search("pocket", index=folder / "indexes" / "bm25", hits=100, output="bm25.txt")
        topics, qrels = ir.load_topics("pocket"), ir.load_qrels("pocket")
        for start, name in enumerate(["tides", "bread", "moons"]):
            some = topics[10 * start : 10 * start + 10]
            write_topics(f"{name}/topics.tsv", some)
            write_qrels(f"{name}/qrels.txt", {topic.qid: qrels[topic.qid] for topic in some})
            ir.write_run(f"{name}/run.txt", ir.Run("bm25", {t.qid: run.rankings[t.qid] for t in some}))
            shutil.copy(POCKET / "passages.jsonl", name)
    return folder


def run(name, folder, monkeypatch, capsys):
    script = SCRIPTS / f"{name}.py"
    assert len(script.read_text("utf-8").splitlines()) <= 12
    monkeypatch.chdir(folder)
    runpy.run_path(str(script), run_name="__main__")
    return capsys.readouterr().out


@pytest.mark.java
def test_rerank_by_topic(folder, monkeypatch, capsys):
    *topics, mean = run("rerank_by_topic", folder, monkeypatch, capsys).splitlines()
    assert len(topics) == 30
    assert mean == "mean 0.6211"  # the demo's figure


def test_typos_of_two_encoders(folder, monkeypatch, capsys):
    *answer, tables = run("typos_of_two_encoders", folder, monkeypatch, capsys).splitlines()
    assert any("minilm" in sentence for sentence in answer)
    assert (Path(tables) / "fixed" / "hypotheses.csv").exists()


def test_constraints(folder, monkeypatch, capsys):
    (ndcg, original, changed), (name, value) = (
        line.split() for line in run("constraints", folder, monkeypatch, capsys).splitlines()
    )
    assert (ndcg, name) == ("nDCG@5", "p-MRR")
    assert 0 < float(changed) < float(original) < 1 and -1 < float(value) < 1


def test_attack_one_query(folder, monkeypatch, capsys):
    found, objective = run("attack_one_query", folder, monkeypatch, capsys).splitlines()
    clean, attacked = found.split(" -> ")
    assert clean != attacked and len(clean.split()) == len(attacked.split())
    assert objective.startswith("average overlap@10 1.0 -> 0.")


def test_three_collections(folder, monkeypatch, capsys):
    rows = [line.split("\t") for line in run("three_collections", folder, monkeypatch, capsys).splitlines()]
    assert [name for name, *_ in rows] == ["minilm", "instrerank-minilm", "minilm, int8"]
    assert all(0 < float(cell) < 1 for _, *cells in rows for cell in cells)


def test_a_second_call_over_the_same_passages_encodes_none(folder, monkeypatch):
    monkeypatch.chdir(folder)
    ir.rerank("bm25.txt", "pocket", corpus="pocket", encoder="minilm")
    encoder = ir.load_encoder("minilm")
    asked = []
    forward = encoder.backend.token_states
    monkeypatch.setattr(encoder.backend, "token_states", lambda ids: asked.extend(ids) or forward(ids))
    ir.rerank("bm25.txt", ir.perturb("pocket", ["typo-swap"])[0], corpus="pocket", encoder=encoder)
    assert len(asked) == 30  # the queries


@pytest.mark.java
def test_the_first_screen_of_the_readme(folder, monkeypatch, capsys):
    page = (SCRIPTS.parents[1] / "README.md").read_text("utf-8")
    block = page.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(folder)
    write_topics("topics.tsv", ir.load_topics("pocket"))
    write_qrels("qrels.txt", ir.load_qrels("pocket"))
    shutil.copy(POCKET / "passages.jsonl", ".")
    shutil.copy(POCKET / "instructions.original.tsv", "instructions.tsv")
    exec(block.replace("indexes/passages", "indexes/bm25"), {})
    means, *rows = capsys.readouterr().out.splitlines()
    assert "'nDCG@10': 0.621" in means
    assert len(rows) == 4 and all(row.startswith("ComparedRun(measure=") for row in rows)
