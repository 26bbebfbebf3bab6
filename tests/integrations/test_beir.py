"""BEIR's own evaluation of what `export` writes."""

import json

import pytest

from instrerank.cli import main
from instrerank.collections import load_qrels
from instrerank.evaluation.measures import evaluate
from instrerank.trec import read_run

RUN = "runs/run.pocket.bm25.instrerank-minilm.original.clean.txt"


@pytest.mark.beir
def test_beir_gives_trec_evals_scores(tmp_path):
    from beir.retrieval.evaluation import EvaluateRetrieval

    assert main(["export", RUN, "--to", "beir", "--output", str(tmp_path / "results.json")]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    ndcg, _, recall, _ = EvaluateRetrieval.evaluate(load_qrels("pocket"), results, [10])
    ours = evaluate(read_run(RUN), load_qrels("pocket"), ["ndcg_cut.10", "recall.10"]).means
    assert ndcg["NDCG@10"] == pytest.approx(ours["ndcg_cut_10"], abs=1e-5)
    assert recall["Recall@10"] == pytest.approx(ours["recall_10"], abs=1e-5)
