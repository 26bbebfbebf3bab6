"""TIRA's own check of a submission, over the run and the sidecar that `rerank` writes."""

import pytest

from instrerank.cli import main
from instrerank.jobs.sidecar import write_run_with_sidecar
from instrerank.trec import Run, ScoredDoc


@pytest.mark.tira
def test_tira_accepts_what_export_writes(tmp_path):
    from tira.check_format import check_format

    run = tmp_path / "run.txt"
    rankings = {qid: [ScoredDoc("5", 5.5), ScoredDoc("4", 4.5)] for qid in "123"}
    described = {"retrieval": [{"name": "bm25"}], "data": {"topics": {"source": "t.tsv"}}, "counts": {}, "seconds": {}}
    write_run_with_sidecar(run, Run("bm25", rankings), command=["instrerank", "search"], **described)
    fields = [
        "actor.team=moonlight",
        "implementation.source.repository=https://example.org/moon",
        "data.test collection.name=tides",
        "method.description=BM25",
    ]
    folder = tmp_path / "submission"
    assert main(["export", str(run), "--to", "tira", "--output", str(folder), "--metadata", *fields]) == 0
    status, message = check_format(folder, "run-with-metadata", {})
    assert status.name == "OK", message
