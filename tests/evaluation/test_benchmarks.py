import json

import pytest

import instrerank as ir
from instrerank.cli import main
from instrerank.errors import InputError
from instrerank.evaluation.benchmarks import benchmark_scores
from instrerank.jobs.evaluate import compare, evaluate
from instrerank.trec import Run, ScoredDoc, write_qrels, write_run


def run_of(**rankings):
    return Run("t", {qid: [ScoredDoc(d, -float(n)) for n, d in enumerate(docids)] for qid, docids in rankings.items()})


PAIRS = {"1_q1": {"a": 1}, "1_q2": {"b": 1}, "2_q1": {"c": 1}, "2_q2": {"d": 1}}
LEVELS = {f"{topic}v{level}": {"a": 1} for topic in (7, 8) for level in (1, 2, 3)}


def test_nevir():
    run = run_of(**{"1_q1": "ab", "1_q2": "ba", "2_q1": "cd", "2_q2": "cd"})
    assert benchmark_scores("nevir", run, PAIRS) == {"paired_accuracy": {"1": 1.0, "2": 0.0}}
    # cut to one document, the right one is still first
    assert benchmark_scores("nevir", run, PAIRS, max_docs=1) == {"paired_accuracy": {"1": 1.0, "2": 0.0}}


def test_instructir_takes_the_lowest_of_a_query():
    qrels = {qid: {"a": 1} for qid in ("1_x", "1_y", "2_x")}
    run = run_of(**{"1_x": "a", "1_y": "ba", "2_x": "a"})
    [(measure, scores)] = benchmark_scores("instructir", run, qrels).items()
    assert measure == "robustness_at_10"
    assert scores == {"1": pytest.approx(0.6309, abs=1e-4), "2": 1.0}


def test_ifir_by_level_counts_missing_queries_and_says_which_have_no_level(caplog):
    run = run_of(**{"7v1": "a", "8v1": "ba", "7v2": "a"})
    found = benchmark_scores("ifir", run, {**LEVELS, "9": {"a": 1}})
    assert {measure: sum(scores.values()) / len(scores) for measure, scores in found.items()} == {
        "ndcg_cut_20 level 1": pytest.approx((1 + 0.6309) / 2, abs=1e-4),
        "ndcg_cut_20 level 2": 0.5,
        "ndcg_cut_20 level 3": 0.0,
    }
    assert "1 of 7 qids have no level and count for none: 9" in caplog.text
    with pytest.raises(InputError, match=r"no qid has one of IFIR's levels \(v1, v2, v3\): 1_q1"):
        benchmark_scores("ifir", run_of(**{"1_q1": "a"}), PAIRS)


def test_evaluate_adds_them_as_rows_and_compares_unit_by_unit(tmp_path, capsys):
    good = run_of(**{"1_q1": "ab", "1_q2": "ba", "2_q1": "cd", "2_q2": "dc"})
    bad = run_of(**{"1_q1": "ab", "1_q2": "ab", "2_q1": "cd", "2_q2": "dc"})
    assert evaluate(bad, PAIRS, benchmark="nevir").benchmark == {"paired_accuracy": {"1": 0.0, "2": 1.0}}
    assert evaluate(bad, PAIRS).benchmark == {}
    row = compare([bad], PAIRS, good, ["map"], benchmark="nevir")[-1]
    assert (row.measure, row.baseline, row.mean, row.difference) == ("paired_accuracy", 1.0, 0.5, -0.5)
    assert (row.wins, row.ties, row.losses) == (0, 1, 1)
    write_qrels(tmp_path / "qrels.txt", PAIRS)
    write_run(tmp_path / "run.txt", bad)
    flags = ["evaluate", "--qrels", str(tmp_path / "qrels.txt"), "-m", "map", "-q", "--json", "--benchmark", "nevir"]
    assert main([*flags, str(tmp_path / "run.txt")]) == 0
    assert json.loads(capsys.readouterr().out)[-3:] == [
        {"measure": "paired_accuracy", "topic": unit, "t": value}
        for unit, value in (("1", 0.0), ("2", 1.0), ("all", 0.5))
    ]
    changed = ["--changed-qrels", str(tmp_path / "qrels.txt"), "--baseline", str(tmp_path / "run.txt")]
    assert main([*flags[:5], "--benchmark", "nevir", *changed, str(tmp_path / "run.txt")]) == 2
    assert "leave out --changed-qrels" in capsys.readouterr().err


def test_a_run_that_is_not_of_the_benchmark():
    with pytest.raises(InputError, match="pair q1: expected two queries"):
        ir.evaluate(run_of(q1="a"), {"q1": {"a": 1}}, benchmark="nevir")
