"""The tables `cells` and `topics`: the scores of each run."""

from __future__ import annotations

from instrerank.evaluation.means import mean
from instrerank.study.results import Results
from instrerank.study.rows import CellMean, TopicScore


def cell_rows(results: Results) -> list[CellMean]:
    """Return the mean of each measure in each run."""
    rows = []
    for cell, scores in results.scores.items():
        variation, run = cell.variation, cell.path(results.plan.configuration).as_posix()
        for measure, by_qid in scores.items():
            rows.append(
                CellMean(
                    *cell.system,
                    perturbation=variation.name,
                    family=variation.family,
                    expects=variation.expects,
                    seed=variation.seed,
                    topics=len(by_qid),
                    changed_queries=len(variation.changed),
                    measure=measure,
                    mean=mean(by_qid),
                    run=run,
                )
            )
    return rows


def topic_rows(results: Results) -> list[TopicScore]:
    """Return the score of each topic in each run, by each measure."""
    return [
        TopicScore(*cell.system, cell.variation.name, cell.variation.seed, measure, qid, score)
        for cell, scores in results.scores.items()
        for measure, by_qid in scores.items()
        for qid, score in by_qid.items()
    ]
