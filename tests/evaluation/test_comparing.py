import pytest

from instrerank.errors import InputError
from instrerank.evaluation.comparing import compare_runs, instruction_moves, stability_rows
from instrerank.evaluation.measures import evaluate
from instrerank.trec import Run, ScoredDoc

QRELS = {str(qid): {"a": 1, "b": 0} for qid in range(8)}


def run(first, tag="t"):
    """Rank `first` before the other document, topic by topic."""
    other = {"a": "b", "b": "a"}
    return Run(tag, {str(qid): [ScoredDoc(d, 2.0), ScoredDoc(other[d], 1.0)] for qid, d in enumerate(first)})


def test_rows_of_a_comparison():
    clean, better, same = run("aaaabbbb"), run("aaaaaaab", "better"), run("aaaabbbb", "same")
    measures = ["recip_rank", "P.1"]
    evaluations = {each.tag: evaluate(each, QRELS, measures) for each in (better, same)}
    rows = compare_runs(evaluations, evaluate(clean, QRELS, measures))
    assert [(row.measure, row.run) for row in rows] == [
        *(("recip_rank", "better"), ("recip_rank", "same"), ("P_1", "better"), ("P_1", "same"))
    ]
    row = rows[2]
    assert (row.baseline, row.mean, row.difference, row.relative) == (0.5, 0.875, 0.375, 0.75)
    assert (row.wins, row.ties, row.losses) == (3, 5, 0)
    assert row.low <= row.difference <= row.high
    assert row.corrected_p_t_test == pytest.approx(2 * row.p_t_test), "two tests: nothing can be tested for the other"
    assert rows[3].p_t_test is rows[3].corrected_p_randomisation is None
    bonferroni = compare_runs(evaluations, evaluate(clean, QRELS, measures), correction="bonferroni")
    assert bonferroni[2].corrected_p_t_test == pytest.approx(2 * row.p_t_test)


def test_counts_cannot_be_tested():
    evaluation = evaluate(run("aaaabbbb"), QRELS, ["num_ret", "gm_map", "map"])
    with pytest.raises(InputError, match="num_ret, gm_map: not a mean over topics"):
        compare_runs({"t": evaluation}, evaluation)


def test_rows_of_stability():
    rows = stability_rows({"other": run("aaaaaaaa")}, run("bbbbbbbb"), QRELS)
    assert (rows[0].measure, rows[0].baseline, rows[0].mean) == ("overlap@10", None, 1.0)
    cut = stability_rows({"other": run("aaaaaaaa")}, run("bbbbbbbb"), QRELS, max_docs=1)
    assert cut[0].mean == 0.0


def test_moves_are_cut_as_the_measures_are():
    """b leaves the first rank: absent from a cut at 1, it has rank 2, and 3 where three documents are ranked."""
    qrels, changed_qrels = {"1": {"a": 1, "b": 1}}, {"1": {"a": 1, "b": 0}}
    original, changed = ([ScoredDoc(docid, -place) for place, docid in enumerate(order)] for order in ("bac", "acb"))
    runs = Run("t", {"1": original}), Run("t", {"1": changed})
    whole = instruction_moves(*runs, qrels, changed_qrels)
    assert whole == {"p-MRR": {"1": 1 - 1 / 3}, "kept": {"1": 1 / 2 - 1}}
    cut = instruction_moves(*runs, qrels, changed_qrels, max_docs=1)
    assert cut == {"p-MRR": {"1": 1 - 1 / 2}, "kept": {"1": 1 / 2 - 1}}
    reversed_run = Run("t", {"1": [ScoredDoc(docid, -place) for place, docid in enumerate("bca")]})
    assert list(instruction_moves(*runs, qrels, changed_qrels, reversed_run=reversed_run))[2:] == ["SICR", "WISE"]
