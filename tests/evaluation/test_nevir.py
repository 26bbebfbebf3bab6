import pytest

from instrerank.errors import InputError
from instrerank.evaluation.nevir import ContrastivePair, contrastive_pairs, pairwise_accuracy
from instrerank.trec import Run, ScoredDoc

PAIR = ContrastivePair("1_q1", "a", "1_q2", "b")


def accuracy(first, second):
    rankings = {"1_q1": first, "1_q2": second}
    run = Run("t", {qid: [ScoredDoc(docid, -float(n)) for n, docid in enumerate(x)] for qid, x in rankings.items()})
    return pairwise_accuracy(run, [PAIR])


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [("ab", "ba", 1), ("ab", "ab", 0), ("ba", "ab", 0), ("a", "xb", 1), ("xa", "x", 0), ("", "b", 0)],
)
def test_both_queries_must_be_right(first, second, value):
    assert accuracy(first, second) == value


def test_a_constant_scorer_gets_no_pair():
    tied = [ScoredDoc("a", 1.0), ScoredDoc("b", 1.0)]
    assert pairwise_accuracy(Run("t", {"1_q1": tied, "1_q2": tied[::-1]}), [PAIR]) == 0


def test_pairs_of_qrels():
    qrels = {"1_q1": {"a": 1}, "1_q2": {"b": 1, "a": 0}, "2_q1": {"c": 1}, "2_q2": {"d": 1}}
    assert contrastive_pairs(qrels) == [PAIR, ContrastivePair("2_q1", "c", "2_q2", "d")]
    for wrong in ({"1_q1": {"a": 1}}, {"1_q1": {"a": 1}, "1_q2": {"a": 1, "b": 1}}):
        with pytest.raises(InputError, match="pair 1: expected two queries with one relevant document each"):
            contrastive_pairs(wrong)
    with pytest.raises(InputError, match="at least one pair"):
        pairwise_accuracy(Run("t", {}), [])
