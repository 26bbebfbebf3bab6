"""An official BM25 run in other forms: what is read back scores the same."""

import pytest

from instrerank.cli import main
from instrerank.evaluation.measures import evaluate
from instrerank.integrations.rank_llm import read_requests
from instrerank.trec import read_qrels, read_run

pytestmark = pytest.mark.real


def test_msmarco_and_rank_llm_keep_the_ranking(data, tmp_path):
    dl19 = data / "dl19"
    run, qrels = read_run(dl19 / "run.bm25.trec"), read_qrels(dl19 / "qrels.txt")
    command = ["export", str(dl19 / "run.bm25.trec"), "--topics", str(dl19 / "topics.tsv")]
    assert main([*command, "--to", "msmarco", "--output", str(tmp_path / "run.tsv")]) == 0
    measures = ["map", "ndcg_cut.10"]
    assert evaluate(read_run(tmp_path / "run.tsv"), qrels, measures).means == evaluate(run, qrels, measures).means

    requests = tmp_path / "requests.jsonl"
    corpus = str(dl19 / "passages.jsonl.gz")
    assert main([*command, "--to", "rank_llm", "--corpus", corpus, "--output", str(requests)]) == 0
    assert read_requests(requests).run.rankings == run.rankings


def test_a_track_with_other_docids_refuses_every_row(data, tmp_path, capsys):
    run = str(data / "dl19" / "run.bm25.trec")
    command = ["export", run, "--to", "trec", "--preset", "trec-dl-passage", "--output", str(tmp_path / "run.txt")]
    assert main(command) == 2
    assert len(capsys.readouterr().err.splitlines()) == 4300
    assert not (tmp_path / "run.txt").exists()
