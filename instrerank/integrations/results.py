"""Rankings in the JSON formats of BEIR and mteb."""

from __future__ import annotations

import json
from pathlib import Path

from instrerank.files import whole_file
from instrerank.trec import Run


def write_beir_results(path: str | Path, run: Run) -> None:
    """Write `{qid: {docid: score}}`, as accepted by BEIR's `EvaluateRetrieval.evaluate`."""
    with whole_file(path) as file:
        json.dump(_scores(run), file)


def write_mteb_predictions(path: str | Path, run: Run, *, subset: str = "default", split: str = "test") -> None:
    """Write predictions as `mteb.evaluate` saves them in `prediction_folder` and `convert_to_reranking` reads them.

    Args:
        path: the file; given a folder, mteb looks for `<task>_predictions.json`.
        run: the run, whose tag is written as the model name.
        subset: mteb's name of the language or subset.
        split: mteb's name of the split.
    """
    model = {"model_name": run.tag, "revision": None}
    with whole_file(path) as file:
        json.dump({"mteb_model_meta": model, subset: {split: _scores(run)}}, file)


def _scores(run: Run) -> dict[str, dict[str, float]]:
    return {qid: {docid: float(f"{score:.9g}") for docid, score in ranking} for qid, ranking in run.rankings.items()}
