"""Rankings as the JSON of BEIR and mteb."""

from __future__ import annotations

import json
from pathlib import Path

from instrerank.files import whole_file
from instrerank.trec import Run


def write_beir_results(path: str | Path, run: Run) -> None:
    """Write `{qid: {docid: score}}`, which BEIR's `EvaluateRetrieval.evaluate` takes."""
    with whole_file(path) as file:
        json.dump(_scores(run), file)


def write_mteb_predictions(path: str | Path, run: Run, *, subset: str = "default", split: str = "test") -> None:
    """Write what `mteb.evaluate` saves in its `prediction_folder`, and `convert_to_reranking` of a task takes.

    Args:
        path: the file; mteb looks for `<task>_predictions.json` where a folder is named.
        run: its tag is written as the name of the model.
        subset: mteb's name of the language or part.
        split: mteb's name of the split.
    """
    model = {"model_name": run.tag, "revision": None}
    with whole_file(path) as file:
        json.dump({"mteb_model_meta": model, subset: {split: _scores(run)}}, file)


def _scores(run: Run) -> dict[str, dict[str, float]]:
    return {qid: {docid: float(f"{score:.9g}") for docid, score in ranking} for qid, ranking in run.rankings.items()}
