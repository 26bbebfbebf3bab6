import math
import random

import pytest

from instrerank.errors import InputError
from instrerank.evaluation.means import mean
from instrerank.evaluation.measures import evaluate, relevance_level_note
from instrerank.trec import Run, ScoredDoc

QRELS = {"1": {"a": 3, "b": 0, "c": 1}, "2": {"a": 1}, "3": {"z": 2}}
RUN = Run("t", {"1": [ScoredDoc("b", 2.0), ScoredDoc("a", 1.0), ScoredDoc("x", 0.5)], "2": [ScoredDoc("a", 1.0)]})


def test_golden_values_by_hand():
    evaluation = evaluate(RUN, QRELS, ["ndcg_cut.2", "map", "recip_rank", "recall.2", "num_rel_ret"])
    # topic 1: a (grade 3) at rank 2; ideal a, c; linear gain
    ndcg = (3 / math.log2(3)) / (3 + 1 / math.log2(3))
    assert evaluation.per_query["1"] == pytest.approx(
        {"ndcg_cut_2": ndcg, "map": 0.25, "recip_rank": 0.5, "recall_2": 0.5, "num_rel_ret": 1}
    )
    assert evaluation.means == pytest.approx(
        {
            "ndcg_cut_2": (ndcg + 1) / 3,
            "map": 1.25 / 3,
            "recip_rank": 0.5,
            "recall_2": 0.5,
            "num_rel_ret": 2,
        }
    )


def test_missing_topics_count_zero_and_are_named():
    evaluation = evaluate(RUN, QRELS, ["map"])
    assert evaluation.missing == ["3"]
    assert evaluation.per_query["3"] == {"map": 0.0}


def test_unjudged_topics_play_no_part():
    extended = Run("t", {**RUN.rankings, "9": [ScoredDoc("a", 1.0)]})
    assert evaluate(extended, QRELS, ["map"]).means == evaluate(RUN, QRELS, ["map"]).means
    assert evaluate(extended, QRELS, ["map"]).unjudged == ["9"]


def test_the_relevance_level_binarises_all_but_ndcg():
    low, high = (evaluate(RUN, QRELS, ["map", "ndcg"], relevance_level=level).means for level in (1, 3))
    assert low["ndcg"] == high["ndcg"]
    assert high["map"] == pytest.approx(0.5 / 3)


def test_ties_fall_to_the_higher_docid_and_a_constant_scorer_gains_nothing_by_its_order():
    tied = [ScoredDoc(docid, 1.0) for docid in "abc"]
    for ranking in (tied, tied[::-1]):
        assert evaluate(Run("t", {"1": ranking}), {"1": {"c": 1}}, ["recip_rank"]).means["recip_rank"] == 1.0


def test_depth_cuts_the_ranking_first():
    assert evaluate(RUN, QRELS, ["recip_rank"], max_docs=1).per_query["1"]["recip_rank"] == 0.0


def test_measures_come_in_the_order_asked_for_cutoffs_by_number():
    assert list(evaluate(RUN, QRELS, ["recall.100,5,20", "map"]).means) == [
        "recall_5",
        "recall_20",
        "recall_100",
        "map",
    ]


def test_a_mean_adds_topic_after_topic_in_the_order_of_qids():
    """Sixteen topics: 0.60625 in exact arithmetic, and in numpy's pairwise sum one bit less."""
    hits = [3, 4, 4, 5, 5, 5, 6, 6, 6, 6, 7, 7, 8, 8, 8, 9]
    for seed in range(200):
        random.Random(seed).shuffle(hits)
        values = {str(topic): count / 10 for topic, count in enumerate(hits)}
        total = 0.0
        for qid in sorted(values):
            total += values[qid]
        qrels = {qid: {f"d{n}": 1 for n in range(10)} for qid in values}
        rankings = {
            qid: [ScoredDoc(f"{'d' if n < 10 * value - 0.5 else 'x'}{n}", -n) for n in range(10)]
            for qid, value in values.items()
        }
        backwards = dict(reversed(qrels.items()))
        assert evaluate(Run("t", rankings), backwards, ["P.10"]).means["P_10"] == mean(values) == total / 16


def test_parameters_of_measures():
    asked = ["set_F.0.5", "ndcg.1=1,3=7", "set_F", "P.5", "ndcg", "P", "utility.1,-1,0,0", "11pt_avg.0.1,0.5", "P_3"]
    evaluation = evaluate(RUN, QRELS, asked)
    default_cutoffs = [f"P_{k}" for k in (5, 10, 15, 20, 30, 100, 200, 500, 1000)]
    assert list(evaluation.means) == [
        *("set_F_0.5", "ndcg_1=1,3=7", "set_F", "P_5", "ndcg", *default_cutoffs[1:]),
        *("utility_1,-1,0,0", "11pt_avg_0.1,0.5", "P_3"),
    ]
    values = evaluation.per_query["1"]
    # topic 1: one of two relevant documents among three; trec_eval takes beta, not its square
    assert values["set_F_0.5"] == pytest.approx((1 + 0.5) * (1 / 3) * (1 / 2) / (0.5 * (1 / 3) + 1 / 2))
    assert values["ndcg_1=1,3=7"] == pytest.approx((7 / math.log2(3)) / (7 + 1 / math.log2(3)))


@pytest.mark.parametrize(
    ("measure", "complaint"),
    [
        ("mapp", r"unknown measure mapp, did you mean map\? Names are trec_eval's"),
        ("ndcg@10", r"did you mean nDCG@10\?"),
        ("zzz", r"unknown measure zzz\. Names"),
        ("ndcg.10", r"did you mean ndcg_cut.10\?"),
        ("map.10", "map takes no parameters; use map_cut.10"),
        ("infAP.3", "infAP takes no parameters"),
        ("relstring", "unknown"),
        ("prefs", "not supported"),
        ("set_F.0.5,2", "beta must be one number"),
        ("utility.2", "four numbers"),
        ("ndcg.1=,2=3", "grade=gain"),
        ("iprec_at_recall.0.151,0.152", "the same name"),
        ("iprec_at_recall.99999999999999999999", "numbers, such as"),
        ("P.9999999999999999999999", "at most"),
        *((name, "integers, at least 1") for name in ("ndcg_cut.0", "P.0", "recall.1.5", "P.10,,5", "success.,")),
    ],
)
def test_unknown_measures(measure, complaint):
    with pytest.raises(InputError, match=complaint):
        evaluate(RUN, QRELS, [measure])


def test_a_cutoff_given_twice_counts_once():
    assert list(evaluate(RUN, QRELS, ["P.10,010", "P.5,10"]).means) == ["P_10", "P_5"]


@pytest.mark.parametrize("grade", [-1, -2, -100, 0])
def test_topics_with_only_negative_grades_have_nothing_relevant(grade):
    """trec_eval's own code ends in a segmentation fault at −2, or gives up."""
    qrels = {"1": {"a": 1}, "2": {"a": grade, "b": grade}, "3": {"a": 1}}
    run = Run("t", {qid: [ScoredDoc("a", 1.0)] for qid in qrels})
    for qids in ("123", "213", "2"):
        chosen = {qid: qrels[qid] for qid in qids}
        means = evaluate(run, chosen, ["map", "ndcg", "ndcg_cut.10", "nDCG@10", "num_rel", "bpref"]).means
        relevant = len(qids) - 1
        assert means.pop("num_rel") == relevant
        assert set(means.values()) == {relevant / len(qids)}


def test_what_the_c_code_cannot_hold_is_refused_by_name():
    ranking = [ScoredDoc("a", 2.0), ScoredDoc("b", 1.0)]
    for run, qrels, complaint in [
        ({"1": ranking}, {"1": {"a": 2_000_000_000}}, "topic 1: grade 2000000000 of document a is too large"),
        ({"1": ranking}, {"1": {"a\0": 1}}, "qrels, topic '1': an id contains NUL"),
        ({"1": [ScoredDoc("\ud800", 1.0)]}, {"1": {"a": 1}}, "run, topic '1': an id contains"),
        ({"1": [*ranking, ScoredDoc("a", 0.0)]}, {"1": {"a": 1}}, "topic 1: the ranking has a duplicate docid"),
    ]:
        with pytest.raises(InputError, match=complaint):
            evaluate(Run("t", run), qrels, ["ndcg_cut.10"])
    with pytest.raises(InputError, match="grade 20000 .* up to 10,000"):
        evaluate(Run("t", {"1": ranking}), {"1": {"a": 20_000}}, ["ndcg"])
    assert evaluate(Run("t", {"1": ranking}), {"1": {"a": 1_000_000}}, ["ndcg_cut.10"]).means == {"ndcg_cut_10": 1.0}


@pytest.mark.parametrize("parameters", [{"relevance_level": 0}, {"max_docs": 0}, {"max_docs": -1}])
def test_parameters_out_of_range(parameters):
    with pytest.raises(InputError, match=rf"`{next(iter(parameters))}` must be at least 1, got"):
        evaluate(RUN, QRELS, **parameters)


def test_one_measure_may_be_a_string_and_none_is_refused():
    assert evaluate(RUN, QRELS, "map").means == evaluate(RUN, QRELS, ["map"]).means
    with pytest.raises(InputError, match="no measure given"):
        evaluate(RUN, QRELS, [])


def test_repr():
    text = "Evaluation('t': map 0.4167, num_ret 4.0000; 3 topics, 1 missing, 0 unjudged)"
    assert repr(evaluate(RUN, QRELS, ["map", "num_ret"])) == text


def test_relevance_level_note():
    assert "TREC DL uses a relevance level of 2" in relevance_level_note(QRELS, 1, ["map", "ndcg_cut.10"])
    assert relevance_level_note(QRELS, 2) is None
    assert relevance_level_note({"1": {"a": 1, "b": 0}}, 1) is None
    assert relevance_level_note(QRELS, 1, ["ndcg_cut.10", "nDCG@10", "AP(rel=2)", "judged.10"]) is None
