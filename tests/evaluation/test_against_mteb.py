"""What mteb's tasks define must come out here as mteb computes it (tested with 2.26.24).

Before mteb#5241 (August 2026) tied documents kept the order in which they were inserted; since then they fall as in
trec_eval, so older p-MRR figures differ from ours where scores tie.
"""

import random

import pytest
from mteb._evaluators.retrieval_metrics import calculate_pmrr, evaluate_p_mrr_change, paired_accuracy, robustness_at_10

from instrerank.evaluation.instructions import changed_documents, p_mrr_by_topic
from instrerank.evaluation.measures import evaluate
from instrerank.evaluation.nevir import contrastive_pairs, pairwise_accuracy
from instrerank.evaluation.robustness import robustness_at_k
from instrerank.trec import Run, ScoredDoc

DOCIDS = [f"d{number}" for number in range(30)]


def ranking(rng):
    """Rank 5 to 30 documents in random order on ten scores: most of them tie."""
    return {docid: float(rng.randint(0, 9)) for docid in rng.sample(DOCIDS, rng.randint(5, 30))}


def as_run(rankings):
    return Run("t", {qid: [ScoredDoc(*item) for item in scores.items()] for qid, scores in rankings.items()})


@pytest.mark.parametrize("seed", range(50))
def test_p_mrr_with_ties_and_missing_documents(seed):
    rng = random.Random(seed)
    qids = [str(number) for number in range(rng.randint(1, 12))]
    original, changed = ({qid: ranking(rng) for qid in qids} for _ in range(2))
    documents = {qid: rng.sample(DOCIDS, rng.randint(1, 6)) for qid in qids}
    theirs = calculate_pmrr(
        {f"{qid}-og": scores for qid, scores in original.items()},
        {f"{qid}-changed": scores for qid, scores in changed.items()},
        documents,
    )
    ours = p_mrr_by_topic(as_run(original), as_run(changed), documents)
    assert sum(ours.values()) / len(ours) == pytest.approx(theirs, abs=1e-12)


def test_robustness_at_10():
    rng = random.Random(0)
    qids = [f"{base}_{instruction}" for base in range(8) for instruction in range(rng.randint(1, 5))]
    qrels = {qid: dict.fromkeys(rng.sample(DOCIDS, 3), 1) for qid in qids}
    rankings = {qid: ranking(rng) for qid in qids}
    scores = evaluate(as_run(rankings), qrels, ["ndcg_cut.10"]).per_query
    ours = robustness_at_k({qid: values["ndcg_cut_10"] for qid, values in scores.items()})
    assert sum(ours.values()) / len(ours) == pytest.approx(robustness_at_10(qrels, rankings, scores))


def test_paired_accuracy():
    rng = random.Random(0)
    qrels, rankings = {}, {}
    for number in range(200):
        pair = rng.sample(DOCIDS, 2)
        for side, docid in enumerate(pair, start=1):
            qrels[f"{number}_q{side}"] = {docid: 1}
            rankings[f"{number}_q{side}"] = {each: float(rng.randint(0, 2)) for each in pair}
    run = as_run(rankings)
    theirs = paired_accuracy(qrels, rankings, evaluate(run, qrels, ["recall.1"]).per_query)
    assert 0 < pairwise_accuracy(run, contrastive_pairs(qrels)) == theirs < 1


def test_what_followir_reports():
    """p-MRR, and nDCG@5 and MAP@1000 of the run under either instructions."""
    rng = random.Random(0)
    qids = [str(number) for number in range(20)]
    original, changed = ({qid: ranking(rng) for qid in qids} for _ in range(2))
    relevant = {qid: rng.sample(DOCIDS, 6) for qid in qids}
    qrels = {qid: dict.fromkeys(docids, 1) for qid, docids in relevant.items()}
    changed_qrels = {qid: {docid: int(n > 2) for n, docid in enumerate(docids)} for qid, docids in relevant.items()}
    documents = changed_documents(qrels, changed_qrels)
    theirs = evaluate_p_mrr_change(
        {f"{qid}-og": qrels[qid] for qid in qids} | {f"{qid}-changed": changed_qrels[qid] for qid in qids},
        {f"{qid}-og": original[qid] for qid in qids} | {f"{qid}-changed": changed[qid] for qid in qids},
        documents,
        [1, 5, 1000],
    )
    for kind, scores, judgements in (("og", original, qrels), ("changed", changed, changed_qrels)):
        means = evaluate(as_run(scores), judgements, ["nDCG@5", "AP@1000"]).means
        assert means["nDCG@5"] == pytest.approx(theirs[kind]["ndcg_at_5"], abs=1e-5)
        assert means["AP@1000"] == pytest.approx(theirs[kind]["map_at_1000"], abs=1e-5)
    ours = p_mrr_by_topic(as_run(original), as_run(changed), documents)
    assert sum(ours.values()) / len(ours) == pytest.approx(theirs["p-MRR"], abs=1e-12)
