"""Probes for shortcuts in a study: pairs, runs, the table and what the page says."""

import json
import shutil
from dataclasses import replace

import pytest

from instrerank.collections import POCKET
from instrerank.errors import InputError
from instrerank.jobs.probe import probe
from instrerank.study import configure, make_plan, run_study
from instrerank.study.report.reading import Sourced, read_tables
from instrerank.study.report.shortcuts import shortcut_sentences
from instrerank.study.rows import ProbeRate
from instrerank.study.table_files import read_table
from instrerank.trec import Run, ScoredDoc, read_topics, write_run

SETTINGS = {
    "collection": "pocket", "encoders": ["minilm"], "measures": ["ndcg_cut.10"], "conditions": ["none", "own"],
    "probes": ["probe-position", "probe-foil"], "candidates": ["fixed"],
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probed")
    docids = [line.split('"')[3] for line in (POCKET / "passages.jsonl").read_text().splitlines()[:5]]
    qids = [topic.qid for topic in read_topics(POCKET / "topics.tsv")]
    ranking = [ScoredDoc(docid, -float(rank)) for rank, docid in enumerate(docids)]
    write_run(folder / "run.txt", Run("bm25", dict.fromkeys(qids, ranking)))
    plan = make_plan(configure({**SETTINGS, "run": str(folder / "run.txt")}))
    assert run_study(plan, folder / "study").failures == []
    return plan, folder / "study"


def test_the_win_rates_are_those_of_the_verb(study):
    _, folder = study
    rows = list(read_table(folder / "tables" / "fixed" / "probes.csv", ProbeRate))
    assert [(row.instructions, row.probe) for row in rows] == [
        (condition, name) for condition in ("none", "own") for name in SETTINGS["probes"]
    ]
    topics = [topic._replace(instruction="") for topic in read_topics(POCKET / "topics.tsv")]
    alone = probe(
        topics, "pocket", corpus="pocket", probes=SETTINGS["probes"], relevance_level=2, encoder="minilm", store="none"
    )
    for row, result in zip(rows, alone.results, strict=False):
        assert row[2:-1] == pytest.approx(tuple(result)[:-1])
    records = [json.loads(line) for line in (folder / "probes" / "probes.pocket.jsonl").read_text().splitlines()]
    assert len(records) == sum(row.pairs for row in rows[:2])


def test_the_page_says_what_it_falls_for(study):
    _, folder = study
    page = (folder / "report.html").read_text()
    assert "Shortcuts</h3>" in page and "tables/fixed/probes.csv:" in page
    (tables,) = read_tables(folder)
    [sentence] = shortcut_sentences(tables, 0.05)
    assert sentence.striptags().startswith("Shortcuts, minilm: ")
    row = ProbeRate("e5", "none", "probe-position", "invariance", 9, 40, 2, 0, 0.8, 0.7, 0.9, 0.001, 0.004)
    rows = [
        row,
        row._replace(probe="probe-brevity", win_rate=0.2),
        row._replace(probe="probe-overlap", corrected_p=0.2),
        row._replace(probe="probe-foil", expects="directional", win_rate=0.93),
        row._replace(instructions="own", win_rate=0.1),
    ]
    [sentence] = shortcut_sentences(replace(tables, probes=[Sourced(each, "x:2") for each in rows]), 0.05)
    assert sentence.striptags() == (
        "Shortcuts, e5: 1 of 3 that should not matter raise the score significantly (0.8000 of pairs under "
        "probe-position). Passages with a wrong fact should never win; they win against the right one in 0.9300 of "
        "pairs under probe-foil."
    )


def test_a_resumed_study_has_the_same_bytes_and_makes_missing_runs_again(study):
    plan, folder = study
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "log.jsonl"}
    next((folder / "probes" / "runs" / "fixed").glob("*minilm.own*.txt")).unlink()
    shutil.rmtree(folder / "tables")
    assert run_study(plan, folder, resume=True).failures == []
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "log.jsonl"}
    assert after == before


def test_an_encoder_that_fails_has_no_win_rates(study, tmp_path):
    plan, folder = study
    run = str(folder.parent / "run.txt")
    encoders = [{"name": "gone", "encoder": str(tmp_path / "gone")}, "minilm"]
    plan = make_plan(configure({**SETTINGS, "run": run, "encoders": encoders, "conditions": ["none"]}))
    failures = run_study(plan, tmp_path / "study").failures
    assert {failure.cell.system.encoder for failure in failures} == {"gone"}
    rows = read_table(tmp_path / "study" / "tables" / "fixed" / "probes.csv", ProbeRate)
    assert {row.encoder for row in rows} == {"minilm"}


def test_probes_are_checked_and_recorded_only_if_there_are_any():
    with pytest.raises(InputError, match="unknown probe 'probe-positon'. Nearest: probe-position"):
        configure({**SETTINGS, "probes": ["probe-positon"]})
    assert configure(SETTINGS).as_data()["probes"] == SETTINGS["probes"]
    assert "probes" not in configure({**SETTINGS, "probes": []}).as_data()
