"""The main job on TREC DL 2019: the official BM25 top 100 reranked with real encoders."""

import json

import pytest
import yaml

from instrerank.cli import main
from instrerank.collections import load_qrels
from instrerank.evaluation.measures import evaluate
from instrerank.trec import read_run

pytestmark = pytest.mark.real


def rerank(data, encoder, output):
    dl19 = data / "dl19"
    command = [
        *("rerank", "--run", str(dl19 / "run.bm25.trec"), "--topics", str(dl19 / "topics.tsv")),
        *("--corpus", str(dl19 / "passages.jsonl.gz"), "--encoder", str(encoder), "--output", str(output)),
    ]
    assert main(command) == 0
    return output


@pytest.fixture(scope="module")
def reranked(data, tmp_path_factory):
    return rerank(data, "minilm", tmp_path_factory.mktemp("dl19") / "run.minilm.txt")


def means(data, run):
    qrels = load_qrels(data / "dl19" / "qrels.txt")
    return evaluate(read_run(run), qrels, ["ndcg_cut.10", "map", "recall.100"], relevance_level=2).means


def test_scores_are_the_reference_ones(data, reranked):
    expected = json.loads((data / "expected.json").read_text())["dl19"]
    first_stage, ours = means(data, data / "dl19" / "run.bm25.trec"), means(data, reranked)
    assert first_stage["ndcg_cut_10"] == pytest.approx(expected["bm25"]["nDCG@10"], abs=5e-5)
    assert first_stage["recall_100"] == ours["recall_100"] == pytest.approx(0.4910, abs=5e-5)
    reference = expected["minilm_rerank"]
    assert ours["ndcg_cut_10"] == pytest.approx(reference["clean"]["nDCG@10"], abs=reference["tolerance"])
    assert ours["map"] == pytest.approx(reference["clean"]["MAP"], abs=reference["tolerance"])


def test_the_sidecar_counts_everything(reranked):
    counts = yaml.safe_load(reranked.with_name(f"{reranked.name}.yaml").read_text())["run"]["counts"]
    assert counts["queries"] == 43
    assert counts["candidates"] == 4300
    assert counts["distinct passages"] == 4297
    assert counts["candidates without text"] == 0
    assert counts["passages truncated"] == 3


def test_a_second_encoder(data, mpnet, tmp_path):
    """nDCG@10 of all-mpnet-base-v2, as sentence-transformers computes it on the same candidates."""
    ours = means(data, rerank(data, mpnet, tmp_path / "run.mpnet.txt"))
    assert ours["ndcg_cut_10"] == pytest.approx(0.6831, abs=0.002)
    assert ours["recall_100"] == pytest.approx(0.4910, abs=5e-5)
