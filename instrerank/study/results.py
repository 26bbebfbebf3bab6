"""The scores of one mode's runs, computed from the run files as trec_eval does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from instrerank.evaluation import trec_eval
from instrerank.evaluation.measures import evaluate
from instrerank.evaluation.robustness import mean_over_seeds
from instrerank.study.configuration import Mode, System
from instrerank.study.folder import is_complete, read_study_run
from instrerank.study.plan import CLEAN, Cell, Plan
from instrerank.trec import Qrels, Run

Scores = Mapping[str, float]
"""The value of one measure by qid."""


@dataclass(frozen=True)
class Results:
    """The scores of one mode.

    Attributes:
        plan: the study.
        mode: where the candidates come from.
        runs: the complete runs by cell; those of perturbed queries are cut at the depth of reranking.
        scores: by cell, measure (as trec_eval prints it) and qid; the condition `changed` is scored with the changed
            qrels.
        changed_none: scores of the condition `none` on the clean queries with the changed qrels, by encoder, measure
            and qid.
    """

    plan: Plan
    mode: Mode
    runs: dict[Cell, Run]
    scores: dict[Cell, dict[str, Scores]]
    changed_none: dict[str, dict[str, Scores]]

    def __repr__(self) -> str:
        return f"Results({self.mode!r}, {len(self.runs)} runs of {self.plan.configuration.name!r})"

    @property
    def systems(self) -> list[System]:
        """The systems with a clean run, in plan order."""
        return list(dict.fromkeys(cell.system for cell in self.runs if cell.variation.name == CLEAN))

    def clean(self, system: System) -> Cell:
        """Return the cell of a system on the clean topics."""
        return next(cell for cell in self.runs if cell.system == system and cell.variation.name == CLEAN)

    def draws(self, system: System) -> dict[str, list[Cell]]:
        """Return a system's cells by perturbation, one per seed."""
        draws: dict[str, list[Cell]] = {}
        for cell in self.runs:
            if cell.system == system and cell.variation.name != CLEAN:
                draws.setdefault(cell.variation.name, []).append(cell)
        return draws

    def mean_scores(self, cells: list[Cell], measure: str) -> dict[str, float]:
        """Return the mean of a measure over cells, by qid."""
        return mean_over_seeds([self.scores[cell][measure] for cell in cells])


def read_results(plan: Plan, folder: Path, mode: Mode, *, progress: bool = False) -> Results:
    """Evaluate the complete runs of one mode.

    Args:
        plan: of the study.
        folder: of the study.
        mode: whose runs are read.
        progress: show a progress bar.

    Raises:
        InputError: an unknown measure.
    """
    from tqdm import tqdm

    configuration = plan.configuration
    runs, scores = {}, {}
    changed_none: dict[str, dict[str, Scores]] = {}
    cells = [cell for cell in plan.cells if cell.mode == mode]
    for cell in tqdm(cells, desc=f"evaluation, {mode}", unit="run", disable=not progress):
        path = folder / cell.path(configuration)
        if not is_complete(path):
            continue
        run = read_study_run(path)
        # rankings are not compared below that depth, and a study has thousands of runs
        runs[cell] = run if cell.variation.name == CLEAN else _cut(run, configuration.hits)
        qrels = plan.changed_qrels if cell.condition == "changed" and plan.changed_qrels is not None else plan.qrels
        if run.rankings:
            scores[cell] = _by_measure(plan, mode, run, qrels)
        else:  # the clean run comes first, and is not empty
            measures = scores[next(iter(scores))]
            scores[cell] = {name: dict.fromkeys(qrels, trec_eval.value_of_missing(name)) for name in measures}
        if plan.changed_qrels is not None and cell.system.instructions == "none" and cell.variation.name == CLEAN:
            changed_none[cell.system.encoder] = _by_measure(plan, mode, run, plan.changed_qrels)
    return Results(plan, mode, runs, scores, changed_none)


def _cut(run: Run, depth: int) -> Run:
    return Run(run.tag, {qid: ranking[:depth] for qid, ranking in run.rankings.items()})


def _by_measure(plan: Plan, mode: Mode, run: Run, qrels: Qrels) -> dict[str, Scores]:
    configuration = plan.configuration
    evaluation = evaluate(run, qrels, configuration.measures, relevance_level=configuration.relevance_level)
    return {
        measure: {qid: scores[measure] for qid, scores in evaluation.per_query.items()}
        for measure in evaluation.means
        if _can_move(measure, plan, mode)
    }


def _can_move(measure: str, plan: Plan, mode: Mode) -> bool:
    """Return whether a measure can change: recall at the full depth of fixed candidates cannot."""
    match = re.fullmatch(r"recall_(\d+)", measure)
    if not match:
        return True
    cutoff = int(match[1])
    return cutoff < plan.depth if mode == "fixed" else cutoff <= plan.configuration.search_hits
