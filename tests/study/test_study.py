"""A study of the bundled collection: its runs, tables and resumption."""

import csv
import html
import json
import os
import re
import shutil
from statistics import fmean

import pytest

from instrerank.cli import main
from instrerank.collections import POCKET
from instrerank.errors import InputError
from instrerank.evaluation.infosearch import gold_documents
from instrerank.evaluation.instructions import p_mrr_by_topic
from instrerank.evaluation.measures import evaluate
from instrerank.files import one_process, partial_path
from instrerank.study import configure, make_plan, run_study
from instrerank.study.examples import read_examples, write_examples
from instrerank.study.report.reading import read_tables
from instrerank.study.results import read_results
from instrerank.study.rows import (
    CellMean,
    FamilyRobustness,
    Hypothesis,
    InstructionEffect,
    RankFlip,
    Robustness,
    TopicScore,
)
from instrerank.study.table_files import read_table
from instrerank.trec import Run, ScoredDoc, read_qrels, read_run, read_topics, write_qrels, write_run

MEASURES = ["ndcg_cut.10", "recall.10,100"]


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A study over six topics, each with the same forty candidates."""
    docids = [line.split('"')[3] for line in (POCKET / "passages.jsonl").read_text().splitlines()[:40]]
    ranking = [ScoredDoc(docid, 40.0 - rank) for rank, docid in enumerate(docids)]
    qids = [topic.qid for topic in read_topics(POCKET / "topics.tsv")]
    run = tmp_path_factory.mktemp("run") / "run.txt"
    write_run(run, Run("bm25", dict.fromkeys(qids, ranking)))
    return make_plan(
        configure(
            {
                "collection": "pocket",
                "run": str(run),
                "encoders": ["minilm"],
                "perturbations": ["typo-mixed", "case-lower"],
                "seeds": [1, 2],
                "measures": MEASURES,
            }
        )
    )


@pytest.fixture(scope="module")
def study(plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    assert run_study(plan, folder).failures == []
    return folder


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table(folder, name):
    with (folder / "tables" / "fixed" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_number_of_a_run_is_what_trec_eval_says_of_its_file(study):
    qrels = {kind: read_qrels(POCKET / f"qrels.{kind}.txt") for kind in ("original", "changed")}
    rows = table(study, "cells")
    assert {row["instructions"] for row in rows} == {"none", "own", "changed"}
    for row in rows:
        judged = qrels["changed" if row["instructions"] == "changed" else "original"]
        means = evaluate(read_run(study / row["run"]), judged, MEASURES, relevance_level=2).means
        assert float(row["mean"]) == means[row["measure"]], "not the same to the last bit"


def test_seeds_are_averaged_inside_topics_and_unseeded_perturbations_drawn_once(study):
    rows = {
        (row["perturbation"], row["measure"]): row
        for row in table(study, "robustness")
        if row["instructions"] == "none"
    }
    assert {name: row["seeds"] for (name, measure), row in rows.items()} == {"typo-mixed": "2", "case-lower": "1"}
    scores = [
        float(row["score"])
        for row in table(study, "topics")
        if (row["instructions"], row["perturbation"], row["measure"]) == ("none", "typo-mixed", "ndcg_cut_10")
    ]
    assert float(rows["typo-mixed", "ndcg_cut_10"]["perturbed"]) == pytest.approx(sum(scores) / len(scores))


def test_recall_that_cannot_move_is_left_out(study):
    assert {row["measure"] for row in table(study, "cells")} == {"ndcg_cut_10", "recall_10"}


def test_p_mrr_stands_beside_that_of_what_is_kept(study, plan):
    runs = [read_run(study / f"runs/fixed/run.pocket.bm25.minilm.{kind}.clean.txt") for kind in ("own", "changed")]
    rows = {row["measure"]: row for row in table(study, "instructions") if row["measure"].startswith("p_mrr")}
    kept = p_mrr_by_topic(*runs, gold_documents(plan.qrels, plan.changed_qrels, 2))
    assert list(rows) == ["p_mrr", "p_mrr_kept"]
    assert float(rows["p_mrr_kept"]["mean"]) == pytest.approx(100 * fmean(kept.values()))


def test_the_hypothesis_is_the_difference_of_drops(study):
    drops = {
        (row["instructions"], row["measure"]): -float(row["difference"])
        for row in table(study, "families")
        if row["family"] == "invariance"
    }
    for row in table(study, "hypotheses"):
        if row["perturbation"] == "invariance":
            wanted = drops["none", row["measure"]] - drops["own", row["measure"]]
            assert float(row["difference"]) == pytest.approx(wanted, abs=1e-9)


def test_rank_flips_are_about_the_differences_of_the_means(study):
    families = {(row["instructions"], row["family"], row["measure"]): row for row in table(study, "families")}
    rows = table(study, "rank_flips")
    assert {row["family"] for row in rows} == {"typo", "case", "invariance"}
    for row in rows:
        a, b = (families[row[f"instructions_{side}"], row["family"], row["measure"]] for side in "ab")
        for column in ("clean", "perturbed"):
            assert float(row[column]) == pytest.approx(float(a[column]) - float(b[column]), abs=1e-9)
        assert float(row["clean"]) >= 0
        assert row["flipped"] == str(float(row["perturbed"]) < -1e-9 and float(row["clean"]) > 1e-9)
        assert 0 <= float(row["probability"]) <= 1


def test_what_a_kill_leaves_is_resumed_to_the_same_bytes(plan, study, tmp_path, monkeypatch):
    folder = tmp_path / "killed"
    shutil.copytree(study, folder)
    runs = sorted((folder / "runs" / "fixed").glob("*minilm*.txt"))
    runs[0].unlink()  # never written
    (folder / f"runs/fixed/{runs[1].name}.yaml").unlink()  # killed between run and sidecar
    runs[2].write_text(runs[2].read_text()[:100])  # a disk that lost its end
    monkeypatch.setattr(os, "getpid", lambda: 2**22 + 1)  # above any process
    partial_path(runs[0]).write_text("half")
    (partial_path(folder / "index") / "collection").mkdir(parents=True)
    monkeypatch.undo()
    shutil.rmtree(folder / "tables")
    with pytest.raises(InputError, match="`resume`"):
        run_study(plan, folder)
    assert run_study(plan, folder, resume=True).failures == []
    after, before = files(folder), files(study)
    assert {path for path in before if before[path] != after.get(path)} <= {
        path for path in before if path.name == "log.jsonl"
    }
    assert after.keys() == before.keys()
    assert not list(folder.glob(".*"))


def test_the_page_shows_the_top_tens_that_changed_most(plan, study):
    examples = read_examples(study, "fixed")
    assert {(each.change, each.before.label, each.after.label) for each in examples if each.change != "query"} == {
        ("instruction", "none", "own"),
        ("instruction", "own", "changed"),
    }
    page = (study / "report.html").read_text()
    for each in examples:
        runs = [
            read_run(
                study
                / f"runs/fixed/run.pocket.bm25.minilm.{condition}.{label}.txt".replace("typo-mixed.s", "typo-mixed-s")
            )
            for condition, label in _runs_of(each)
        ]
        for side, other, run in zip((each.before, each.after), (each.after, each.before), runs, strict=True):
            assert [document.docid for document in side.documents] == [
                document.docid for document in run.rankings[each.qid][:10]
            ]
            ranks = {document.docid: rank for rank, document in enumerate(other.documents, 1)}
            qrels = plan.changed_qrels if side.label == "changed" else plan.qrels
            for document in side.documents:
                assert document.grade == qrels[each.qid].get(document.docid)
                assert document.relevant == ((document.grade or 0) >= 2)
                assert ranks.get(document.docid, document.other_rank) == document.other_rank
                assert html.escape(each.texts[document.docid][:60]) in page.replace("&#39;", "&#x27;").replace(
                    "&#34;", "&quot;"
                )
    losses = [each.before.score - each.after.score for each in examples if each.change == "query"]
    assert losses and min(losses) > 0


def _runs_of(example):
    if example.change == "query":
        return [(example.instructions, side.label) for side in (example.before, example.after)]
    return [(side.label, "clean") for side in (example.before, example.after)]


def test_passages_of_examples_are_not_looked_up_again(plan, study, monkeypatch):
    before = files(study)
    monkeypatch.setattr("instrerank.study.examples.open_study_passages", None)
    write_examples(read_results(plan, study, "fixed"), study)
    assert files(study) == before


def test_two_processes_in_one_folder(plan, study):
    before = files(study)
    with one_process(study, folder=study), pytest.raises(InputError, match="another process is writing"):
        run_study(plan, study, resume=True)
    assert files(study) == before


def test_another_configuration_is_refused_with_what_changed(plan, study):
    settings = {"collection": "pocket", "run": plan.configuration.run, "encoders": ["minilm"], "seeds": [1, 2]}
    with pytest.raises(
        InputError, match=r"configuration\.perturbations was \['typo-mixed', 'case-lower'\] and is now \[\]"
    ):
        run_study(make_plan(configure(settings)), study, resume=True)


def test_a_failing_encoder_is_listed_and_the_others_go_on(plan, tmp_path):
    settings = {
        "collection": "pocket",
        "run": plan.configuration.run,
        "encoders": [str(tmp_path / "absent"), "minilm"],
        "conditions": ["none"],
        "measures": MEASURES,
    }
    folder = tmp_path / "study"
    failures = run_study(settings, folder).failures
    assert {failure.cell.system[0] for failure in failures} == {"absent"}
    assert {row["encoder"] for row in table(folder, "cells")} == {"bm25", "minilm"}
    assert [row["encoder"] for row in table(folder, "failed")] == ["absent"] * len(failures)
    assert "absent (1), absent + changed (1): " in (folder / "report.html").read_text()


def test_a_run_shallower_than_hits_is_said_and_its_recall_left_out(plan, tmp_path):
    rankings = {qid: ranking[:20] for qid, ranking in read_run(plan.configuration.run).rankings.items()}
    write_run(tmp_path / "run.txt", Run("bm25", rankings))
    settings = {
        "collection": "pocket",
        "run": str(tmp_path / "run.txt"),
        "encoders": ["bm25"],
        "measures": ["recall.10,20"],
    }
    shallow = make_plan(configure(settings))
    assert "the first stage has at most 20 candidates per topic, fewer than hits (100)" in shallow.notes
    assert run_study(shallow, tmp_path / "study").failures == []
    assert {row["measure"] for row in table(tmp_path / "study", "cells")} == {"recall_10"}


@pytest.mark.java
def test_a_perturbation_for_which_bm25_finds_nothing_scores_0(tmp_path):
    given = {"collection": "pocket", "encoders": ["minilm"], "hits": 2, "measures": ["nDCG@10", "map"]}
    perturbed = {"perturbations": ["unicode-full-width"], "candidates": ["retrieve"], "seeds": [1]}
    assert run_study(make_plan(configure(given | perturbed)), tmp_path / "study").failures == []
    cells = read_table(tmp_path / "study" / "tables" / "retrieve" / "cells.csv", CellMean)
    scores = {(cell.perturbation, cell.measure, cell.mean > 0) for cell in cells if cell.encoder == "minilm"}
    names = ("clean", "unicode-full-width")
    assert scores == {(name, measure, name == "clean") for name in names for measure in ("nDCG@10", "map")}


@pytest.mark.java
def test_topics_for_which_bm25_finds_nothing_are_refused(tmp_path):
    (tmp_path / "topics.tsv").write_text("01\tqqxyz zzyqx\n")
    given = {"collection": "pocket", "topics": str(tmp_path / "topics.tsv"), "encoders": ["minilm"]}
    plan = make_plan(configure(given | {"perturbations": ["case-upper"]}))
    with pytest.raises(InputError, match="bm25 has no candidate for any topic of"):
        run_study(plan, tmp_path / "study")


def test_a_run_of_other_topics_is_refused(tmp_path):
    write_run(tmp_path / "run.txt", Run("bm25", {"elsewhere": [ScoredDoc("d1", 1.0)]}))
    settings = {"collection": "pocket", "run": str(tmp_path / "run.txt"), "encoders": ["minilm"]}
    with pytest.raises(InputError, match="has none of the 30 judged topics"):
        make_plan(configure(settings))


@pytest.mark.parametrize(
    ("name", "row_type"),
    [
        ("cells", CellMean),
        ("topics", TopicScore),
        ("robustness", Robustness),
        ("families", FamilyRobustness),
        ("hypotheses", Hypothesis),
        ("rank_flips", RankFlip),
        ("instructions", InstructionEffect),
    ],
)
def test_csv_and_json_say_the_same(study, name, row_type):
    path = study / "tables" / "fixed" / f"{name}.csv"
    rows = [row._asdict() for row in read_table(path, row_type)]
    assert rows == json.loads(path.with_suffix(".json").read_text())


def test_reprs_are_short(plan, study):
    results = read_results(plan, study, "fixed")
    cell = plan.cells[-1]
    (tables,) = read_tables(study)
    assert repr(cell) == "Cell('fixed', 'minilm/changed', 'clean')"
    assert repr(plan.variations[1]) == "Variation('typo-mixed.s1', 30 changed queries)"
    assert repr(plan.variations[1].queries) == "QuerySet('pocket.typo-mixed.s1', 30 topics, 30 changed)"
    assert repr(results) == f"Results('fixed', {len(results.runs)} runs of 'pocket')"
    assert repr(tables) == ("Tables('fixed', measures=('ndcg_cut_10',), systems=['minilm/none', 'minilm/own'])")
    assert len(repr(plan)) < 300


def test_one_topic_is_noted_and_gives_no_test(plan, tmp_path):
    topic = plan.topics[0]
    write_qrels(tmp_path / "qrels.txt", {topic.qid: plan.qrels[topic.qid]})
    settings = {"topics": "pocket", "qrels": str(tmp_path / "qrels.txt"), "corpus": "pocket", "encoders": ["minilm"]}
    alone = make_plan(configure({**settings, "run": plan.configuration.run, "perturbations": ["case-lower"]}))
    assert "29 of 30 topics have no judgements and are excluded" in alone.notes
    assert "only one judged topic: no intervals, no significance tests" in alone.notes
    assert run_study(alone, tmp_path / "study").failures == []
    assert "one topic, no CI" in (tmp_path / "study" / "report.html").read_text()
    assert {row["p"] for row in table(tmp_path / "study", "robustness")} == {""}


def test_a_pair_of_an_unknown_system_is_refused():
    settings = {"collection": "pocket", "encoders": ["minilm"], "pairs": [["minilm", "minlm/own"]]}
    with pytest.raises(InputError, match="unknown system minlm/own. Available: bm25/none, minilm/none, minilm/own"):
        make_plan(configure(settings))


def test_a_dry_run_says_what_is_left_to_encode_and_how_long_it_takes_and_writes_nothing(plan, tmp_path, capsys):
    flags = ["--collection", "pocket", "--run", plan.configuration.run, "--encoders", "minilm"]
    assert main(["study", *flags, "--output", str(tmp_path / "study"), "--store", "none", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"minilm: 40 distinct texts of passages, 0 of them in the store; about \d+ s on cpu", said)
    assert not (tmp_path / "study").exists()


def test_before_the_first_search_a_dry_run_estimates_from_the_corpus(tmp_path, capsys):
    flags = ["--collection", "pocket", "--encoders", "minilm", "--hits", "2", "--output", str(tmp_path / "study")]
    assert main(["study", *flags, "--store", "none", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "1 first-stage run yet to be searched: at most 60 passages in all" in said
    assert re.search(r"minilm: up to 60 distinct texts of passages, 0 of them in the store; about \d+ s on cpu", said)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"collection": "pocket"}, "needs encoders"),
        ({"collection": "nowhere", "encoders": ["minilm"]}, "unknown collection 'nowhere'"),
        (
            {"collection": "pocket", "encoders": ["minilm"], "seedz": [1]},
            r"unknown key of a study: seedz \(nearest: seeds\)",
        ),
        ({"collection": "pocket", "encoders": ["minilm"], "seeds": [1, 2, 1]}, "duplicates in seeds: 1"),
        ({"collection": "pocket", "encoders": "minilm"}, "encoders must be a list"),
        ({"collection": "pocket", "encoders": ["minilm", "minilm"]}, "same name: minilm"),
        (
            {"collection": "pocket", "encoders": [{"encoder": "minilm", "poling": "cls"}]},
            r"unknown key of encoder minilm: poling \(nearest: pooling\)",
        ),
        ({"collection": "pocket", "encoders": ["minilm"], "hits": 0}, "hits must be at least 1, got 0"),
        (
            {"collection": "pocket", "encoders": ["minilm"], "candidates": ["all"]},
            "must be one of fixed, retrieve, got 'all'",
        ),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        configure(settings)
