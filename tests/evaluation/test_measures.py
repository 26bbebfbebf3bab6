import math

import pytest

from instrerank.errors import InputError
from instrerank.evaluation.measures import evaluate
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


@pytest.mark.parametrize(
    ("measure", "complaint"),
    [
        ("mapp", "unknown measure mapp; trec_eval's are .*map"),
        ("ndcg.10", "take a cutoff"),
        ("relstring", "unknown"),
        *((name, "whole numbers from 1 on") for name in ("ndcg_cut.0", "P.0", "recall.1.5", "P.10,,5", "success.,")),
    ],
)
def test_unknown_measures(measure, complaint):
    with pytest.raises(InputError, match=complaint):
        evaluate(RUN, QRELS, [measure])


def test_nothing_in_common():
    with pytest.raises(InputError, match="share no topic: the run answers 1, 2; the qrels judge 7"):
        evaluate(RUN, {"7": {"a": 1}}, ["map"])
