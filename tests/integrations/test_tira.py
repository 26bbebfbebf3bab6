"""TIRA's own check of a submission, over the run and the sidecar that `rerank` writes."""

import pytest

from instrerank.cli import main
from instrerank.jobs.sidecar import write_sidecar


@pytest.mark.tira
def test_tira_accepts_what_export_writes(tmp_path):
    from tira.check_format import check_format

    run = tmp_path / "run.txt"
    run.write_text("".join(f"{qid} Q0 {docid} 1 {docid}.5 bm25\n" for qid in "123" for docid in "45"))
    write_sidecar(run, tag="bm25", retrieval=[{"name": "bm25"}], data={"topics": "t.tsv"}, counts={}, seconds={})
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
