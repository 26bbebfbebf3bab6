"""What a run's sidecar tells of how it was made."""

import sys

import pytest

from instrerank.jobs.sidecar import read_sidecar, write_sidecar
from instrerank.trec import Run, ScoredDoc, write_run


@pytest.mark.parametrize("program", ["/somewhere/bin/instrerank", "/somewhere/instrerank/__main__.py"])
def test_the_command_can_be_typed_again(program, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [program, "rerank", "--instruction", "no ads"])
    path = tmp_path / "run.txt"
    write_run(path, Run("tag", {"1": [ScoredDoc("d", 1.0)]}))
    write_sidecar(path, tag="tag", retrieval=[], data={}, counts={})
    assert read_sidecar(path)["implementation"]["executable"]["cmd"] == "instrerank rerank --instruction 'no ads'"
