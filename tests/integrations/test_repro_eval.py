"""repro_eval, ir_metadata's own tool, over the runs and the sidecars that `rerank` writes."""

import shutil

import pytest

import instrerank as ir
from instrerank.jobs.sidecar import read_sidecar


@pytest.mark.repro_eval
def test_it_reads_and_compares_what_was_written(tmp_path, words):
    from repro_eval.metadata import MetadataAnalyzer, MetadataHandler

    first_stage = {qid: {"d1": 2, "d2": 1} for qid in "12"}
    annotated = tmp_path / "annotated"
    annotated.mkdir()
    for name, instruction in {"run.txt": None, "instructed.txt": "without sun"}.items():
        settings = {"corpus": {"d1": "the moon", "d2": "bread and moon"}, "instruction": instruction}
        run = tmp_path / name
        ir.rerank(first_stage, {"1": "moon", "2": "bread"}, encoder=words, output=run, **settings)
        MetadataHandler(str(run), metadata_path=f"{run}.yaml").write_metadata(str(annotated / name))
        assert MetadataHandler.read_metadata(annotated / name) == read_sidecar(run)
        assert set(MetadataHandler.strip_metadata(annotated / name)) == {"1", "2"}
    reference = shutil.copyfile(annotated / "run.txt", tmp_path / "reference.txt")
    found = MetadataAnalyzer(str(reference)).analyze_directory(str(annotated))
    # PRIMAD: the same platform, goal, method and actor; another implementation (the command) and other data
    assert found == {"primad": [str(annotated / "run.txt")], "prImaD": [str(annotated / "instructed.txt")]}
