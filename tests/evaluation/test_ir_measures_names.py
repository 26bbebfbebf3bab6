import random

import pytest

from instrerank.errors import InputError
from instrerank.evaluation.measures import evaluate
from instrerank.trec import Run, ScoredDoc

QRELS = {"1": {"a": 3, "b": 0, "c": 1}, "2": {"a": 1}, "3": {"z": 2}}
RUN = Run("t", {"1": [ScoredDoc("b", 2.0), ScoredDoc("x", 1.0), ScoredDoc("a", 0.5)], "2": [ScoredDoc("a", 1.0)]})


def test_judged_by_hand():
    """Of topic 1 b and a are judged; topic 2 returns one document, which is; topic 3 is missing."""
    evaluation = evaluate(RUN, QRELS, ["judged.10,2", "Judged@1"])
    assert list(evaluation.means) == ["judged_2", "judged_10", "Judged@1"]
    assert evaluation.per_query["1"] == pytest.approx({"judged_2": 1 / 2, "judged_10": 2 / 3, "Judged@1": 1})
    assert evaluation.means == pytest.approx({"judged_2": 1.5 / 3, "judged_10": 5 / 9, "Judged@1": 2 / 3})


@pytest.fixture
def tied():
    """Twenty topics with many ties, the last of them missing from the run."""
    rng = random.Random(0)
    qrels = {str(topic): {f"d{n}": rng.randint(0, 3) for n in rng.sample(range(80), 40)} for topic in range(20)}
    rankings = {
        qid: [ScoredDoc(f"d{n}", float(rng.randint(0, 9))) for n in rng.sample(range(80), 60)] for qid in qrels
    }
    del rankings["19"]
    return Run("t", rankings), qrels


@pytest.mark.parametrize(
    ("name", "trec_eval", "relevance_level", "max_docs"),
    [
        ("nDCG@10", "ndcg_cut.10", 1, None),
        ("nDCG", "ndcg", 1, None),
        ("AP", "map", 1, None),
        ("AP(rel=2)", "map", 2, None),
        ("AP(rel=2)@20", "map_cut.20", 2, None),
        ("RR(rel=3)", "recip_rank", 3, None),
        ("RR(rel=2)@10", "recip_rank", 2, 10),
        ("MRR@5", "recip_rank", 1, 5),
        ("R(rel=2)@30", "recall.30", 2, None),
        ("P(rel=3)@10", "P.10", 3, None),
        ("Success(rel=3)@1", "success.1", 3, None),
        ("IPrec@0.1", "iprec_at_recall.0.10", 1, None),
    ],
)
def test_the_same_as_trec_eval(tied, name, trec_eval, relevance_level, max_docs):
    run, qrels = tied
    ours = evaluate(run, qrels, [name])
    theirs = evaluate(run, qrels, [trec_eval], relevance_level=relevance_level, max_docs=max_docs)
    assert list(ours.means) == [name]
    assert list(ours.means.values()) == pytest.approx(list(theirs.means.values()), abs=1e-12)
    assert 0 < ours.means[name] < 1


def test_the_relevance_level_holds_where_the_name_has_none(tied):
    means = evaluate(*tied, ["AP", "AP(rel=1)", "map"], relevance_level=2).means
    assert means["AP"] == means["map"] < means["AP(rel=1)"]


def test_names_of_either_kind_come_in_the_order_asked_for(tied):
    asked = ["RR@10", "map", "judged.10", "nDCG@10", "recip_rank", "MRR@10"]
    assert list(evaluate(*tied, asked).means) == ["RR@10", "map", "judged_10", "nDCG@10", "recip_rank", "MRR@10"]


@pytest.mark.parametrize(
    ("measure", "complaint"),
    [
        ("nDGC@10", r"unknown measure nDGC@10, did you mean nDCG@10\? Names are trec_eval's \(ndcg_cut.10"),
        ("alpha_nDCG@10", "needs judgements by subtopic"),
        ("P@99999999999999999999", "at most 1000000000"),
        ("nDCG(gains={1:2000000000})@10", "gains must be integers from 0 to 10000"),
        ("nDCG(rel=2)@10", "unsupported params found: .*rel"),
        ("R()", "invalid param cutoff.*write it like nDCG@10"),
        ("AP(rel='x')", "invalid param rel='x'"),
        ("RR@ten", "problem parsing"),
        ("RBP(p=0.8)", "Unsupported measures .*RBP"),
        ("NumRet", "is a count"),
        ("Judged@0", "at least 1"),
        ("judged.0", "at least 1"),
    ],
)
def test_what_cannot_be_computed_is_told(measure, complaint):
    with pytest.raises(InputError, match=complaint):
        evaluate(RUN, QRELS, [measure])


def test_the_form_of_qids_plays_no_part():
    """gdeval reads what stands behind the last hyphen; by hand: ERR = (3/16)/2 and 1/16."""
    qrels = {"1": {"a": 2, "b": 0, "c": -2, "d": 1}, "2": {"a": 0, "b": 1}}
    run = {"1": [ScoredDoc(docid, -place) for place, docid in enumerate("cab")], "2": [ScoredDoc("b", 1.0)]}
    for prefix in ("", "2024-", "q", "x y-"):
        ours = evaluate(
            Run("t", {prefix + qid: ranking for qid, ranking in run.items()}),
            {prefix + qid: grades for qid, grades in qrels.items()},
            ["ERR@10", "nDCG(dcg='exp-log2')@10"],
        )
        assert ours.means["ERR@10"] == (0.09375 + 0.0625) / 2
        assert ours.per_query[f"{prefix}2"]["nDCG(dcg='exp-log2')@10"] == 1


def test_a_topic_without_a_value_counts_as_the_measure_says():
    qrels = {"1": {"a": 1, "b": 0}, "2": {"b": 0}}
    run = Run("t", {qid: [ScoredDoc("a", 2.0), ScoredDoc("b", 1.0)] for qid in qrels})
    assert evaluate(run, qrels, ["Accuracy"]).means == {"Accuracy": 0.5}


def test_what_the_package_cannot_compute_is_one_line():
    with pytest.raises(InputError, match=r"^Accuracy: ir_measures cannot compute it .*\(ZeroDivisionError: .*\)$"):
        evaluate(Run("t", {"1": [ScoredDoc("a", 1.0)]}), {"1": {"a": 1}}, ["Accuracy"])
    with pytest.raises(InputError, match="^ERR@10: gdeval supports grades up to 4, but topic 1 has 7"):
        evaluate(Run("t", {"1": [ScoredDoc("a", 1.0)]}), {"1": {"a": 7}}, ["ERR@10"])


def test_measures_that_the_package_calls_by_one_name():
    qrels, ranking = (
        {"1": {"a": 1, "b": 1, "c": 1}},
        [ScoredDoc(docid, -place) for place, docid in enumerate("axbyyz")],
    )
    names = ["IPrec@0.331", "IPrec@0.334"]
    both = evaluate(Run("t", {"1": ranking[:4]}), qrels, names).means
    assert both == {name: evaluate(Run("t", {"1": ranking[:4]}), qrels, [name]).means[name] for name in names}
