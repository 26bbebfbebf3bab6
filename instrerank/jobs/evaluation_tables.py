"""Tables of evaluations, as `evaluate` prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from instrerank.evaluation.comparing import ComparedRun
from instrerank.evaluation.means import mean
from instrerank.evaluation.measures import Evaluation
from instrerank.evaluation.significance import mean_and_interval
from instrerank.jobs.evaluate import Followed

Table = tuple[list[str], list[list[object]]]
"""Header and rows."""


def score_table(evaluations: Mapping[str, Evaluation], *, per_topic: bool = False) -> Table:
    """Return a row per measure (with `per_topic` also one per topic) and a column per run; a benchmark's own last."""
    first = next(iter(evaluations.values()))
    rows: list[list[object]] = []
    for name in first.means:
        for qid in sorted(first.per_query) if per_topic else ():
            rows.append([name, qid, *(_number(name, each.per_query[qid][name]) for each in evaluations.values())])
        rows.append([name, "all", *(_number(name, each.means[name]) for each in evaluations.values())])
    for name in first.benchmark:
        for unit in sorted(first.benchmark[name]) if per_topic else ():
            rows.append([name, unit, *(each.benchmark[name][unit] for each in evaluations.values())])
        rows.append([name, "all", *(mean(each.benchmark[name]) for each in evaluations.values())])
    return ["measure", "topic", *evaluations], rows


def comparison_table(compared: Sequence[ComparedRun]) -> Table:
    """Return a row per measure and run that was compared with the baseline."""
    header = [
        *("measure", "run", "baseline", "mean", "difference", "relative", "95% from", "to", "p (t)"),
        *("corrected p (t)", "p (randomisation)", "corrected p (randomisation)"),
        *("effect size", "wins", "ties", "losses"),
    ]
    return header, [list(row) for row in compared]


def instruction_table(followed: Sequence[Followed]) -> Table:
    """Return a row per run: its measures under both qrels, then how well it follows the change, × 100."""
    first = followed[0]
    header = ["run", *(f"{measure} {kind}" for measure in first.original for kind in ("original", "changed"))]
    for name in first.moves:
        prefix = "" if name == "p-MRR" else f"{name} "
        header += [f"{name} ×100", f"{prefix}95% from", f"{prefix}to", f"{prefix}topics"]
    rows: list[list[object]] = []
    for row in followed:
        scores = [means[measure] for measure in row.original for means in (row.original, row.changed)]
        moves = [
            each
            for values in row.moves.values()
            for each in (*mean_and_interval({qid: 100 * value for qid, value in values.items()}), len(values))
        ]
        rows.append([row.run, *scores, *moves])
    return header, rows


def _number(name: str, value: float) -> int | float:
    """Round counts to whole numbers, as trec_eval prints them."""
    return round(value) if name.startswith("num_") else value
