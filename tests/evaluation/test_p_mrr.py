import json

import pytest

from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.evaluation.instructions import changed_documents, p_mrr_by_topic, run_under, under_instructions
from instrerank.trec import Run, ScoredDoc, write_qrels, write_run


def run(*docids, qid="1"):
    return Run("t", {qid: [ScoredDoc(docid, float(-rank)) for rank, docid in enumerate(docids)]})


@pytest.mark.parametrize(
    ("original", "changed", "value"),
    [
        (run(*"abcd"), run(*"abcd"), 0.0),
        (run(*"bcda"), run(*"abcd"), -0.75),
        (run(*"abcd"), run(*"bcda"), 0.75),
        (run(*"bcd"), run(*"bcda"), 0.0),  # not ranked: the rank after the last
        (run(*"abc"), run(*"bc"), 1 - 1 / 3),
    ],
)
def test_golden_values(original, changed, value):
    """By hand from the formula; a is the document that stops being relevant."""
    assert p_mrr_by_topic(original, changed, {"1": ["a"]}) == pytest.approx({"1": value})


def test_ties_follow_trec_eval_whatever_the_order_of_insertion():
    tied = [ScoredDoc(docid, 1.0) for docid in "abcd"]
    assert p_mrr_by_topic(Run("t", {"1": tied}), Run("t", {"1": tied[::-1]}), {"1": ["a", "c"]}) == {"1": 0.0}


def test_the_mean_over_documents():
    values = p_mrr_by_topic(run(*"abcd"), run(*"bcda"), {"1": ["a", "b"]})
    assert values == pytest.approx({"1": (0.75 + (1 / 2 - 1)) / 2})


def test_changed_documents():
    original = {"1": {"a": 2, "b": 1, "c": 0}, "2": {"a": 1}, "3": {"a": 2}}
    changed = {"1": {"a": 0, "b": 1, "c": 0}, "2": {"a": 1}, "3": {}}
    assert changed_documents(original, changed) == {"1": ["a"]}
    assert changed_documents({"1": {"a": 2}}, {"1": {"a": 1}}, relevance_level=2) == {"1": ["a"]}


def test_nothing_to_measure():
    with pytest.raises(InputError, match="no document stops being relevant"):
        p_mrr_by_topic(run("a"), run("a"), {})
    with pytest.raises(InputError, match="changed instructions has no results for 1 topic, first 2"):
        p_mrr_by_topic(run("a", qid="2"), run("a"), {"2": ["a"]})


def test_follow_irs_qids_are_told_apart_and_plain_ones_left_alone():
    both = Run("t", {"310-og": [ScoredDoc("a", 2.0)], "310-changed": [ScoredDoc("a", 1.0)]})
    assert run_under(both, "original") == Run("t", {"310": [ScoredDoc("a", 2.0)]})
    assert run_under(both, "changed") == Run("t", {"310": [ScoredDoc("a", 1.0)]})
    assert under_instructions({"310": 1}, "changed") == {"310": 1}


def test_one_file_of_both_kinds_is_evaluated(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ranking = [ScoredDoc(docid, float(-rank)) for rank, docid in enumerate("abcd")]
    write_run("run.txt", Run("t", {"310-og": ranking, "310-changed": [ranking[0]._replace(score=-9.0), *ranking[1:]]}))
    write_qrels("qrels.txt", {"310-og": {"a": 1, "b": 1}, "310-changed": {"a": 0, "b": 1}})
    flags = ["--qrels", "qrels.txt", "--changed-qrels", "qrels.txt", "--baseline", "run.txt", "-m", "P.1", "--json"]
    assert main(["evaluate", *flags, "run.txt"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["p-MRR ×100"], row["topics"]) == (75.0, 1)
    assert (row["P_1 original"], row["P_1 changed"]) == (1.0, 1.0)


def test_only_the_topics_asked_for_are_compared_under_changed_instructions(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = [ScoredDoc(docid, float(-rank)) for rank, docid in enumerate("abcd")]
    write_run("before.txt", Run("t", {"1": before, "2": before}))
    write_run("after.txt", Run("t", {"1": before, "2": [before[0]._replace(score=-9.0), *before[1:]]}))
    write_qrels("qrels.txt", {qid: {"a": 1, "b": 1} for qid in "12"})
    write_qrels("changed.txt", {qid: {"a": 0, "b": 1} for qid in "12"})
    (tmp_path / "topics.tsv").write_text("2\ttides\n")
    files = ["--qrels", "qrels.txt", "--changed-qrels", "changed.txt", "--baseline", "before.txt", "after.txt"]
    for topics, expected in ([], (37.5, 2)), (["--topics", "topics.tsv"], (75.0, 1)):
        assert main(["evaluate", *files, *topics, "-m", "P.1", "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert (row["p-MRR ×100"], row["topics"]) == expected
