"""Probes for shortcuts in a study: its encoders rank pairs of passages made from the relevant ones, in `probes/`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

from instrerank.evaluation.significance import corrected
from instrerank.jobs.probe import probe_results
from instrerank.jobs.probe_sets import ProbeSet, make_probes, write_probes
from instrerank.perturbations.probes import PER_TOPIC, resolve_probes
from instrerank.study.execution import Failure, execute
from instrerank.study.first_stage import open_study_passages
from instrerank.study.folder import is_complete
from instrerank.study.plan import Cell, Plan
from instrerank.study.rows import ProbeRate
from instrerank.trec import read_run

FOLDER = "probes"


class ProbedStudy(NamedTuple):
    """The win rates of a study, and the cells that have none."""

    rows: list[ProbeRate]
    failures: list[Failure]


def run_probes(plan: Plan, folder: Path, *, store: Path | None = None, progress: bool = False) -> ProbedStudy:
    """Write the pairs and a run of each encoder and condition, and return how often the shortcuts win.

    The runs are those of a study within the study, whose passages and candidates are the pairs: complete ones are
    kept, as in the study itself. The first seed draws passages and changes.

    Raises:
        InputError: no probe can be made from any relevant passage.
    """
    configuration = plan.configuration
    if not configuration.probes:
        return ProbedStudy([], [])
    made = make_probes(
        plan.topics,
        plan.qrels,
        open_study_passages(configuration),
        resolve_probes(configuration.probes),
        seeds=configuration.seeds[:1],
        per_topic=PER_TOPIC,
        level=configuration.relevance_level,
    )
    within = folder / FOLDER
    within.mkdir(exist_ok=True)
    write_probes(within, configuration.name, made)
    probing = _plan_of_pairs(plan, made, within)
    failures = execute(probing, within, store=store, progress=progress)
    rows = []
    for cell in probing.cells:
        path = within / cell.path(probing.configuration)
        if cell.encoder is not None and is_complete(path):
            for result in probe_results(read_run(path), made.pairs, made.skipped):
                rows.append(ProbeRate(*cell.system, **result._asdict()))
    adjusted = corrected([row.p for row in rows])
    return ProbedStudy([row._replace(corrected_p=p) for row, p in zip(rows, adjusted, strict=True)], failures)


def _plan_of_pairs(plan: Plan, made: ProbeSet, within: Path) -> Plan:
    """Return the plan whose candidates are the pairs, ranked by every encoder alone under every condition."""
    configuration, candidates = plan.configuration, made.run.rankings
    # the first stage of the pairs has no scores to fuse with
    encoders = {choice: dataclasses.replace(choice, fusion="none") for choice in configuration.encoders}
    conditions = dict.fromkeys((cell.encoder, cell.condition) for cell in plan.cells)
    depth = max(map(len, candidates.values()))
    clean = plan.variations[0]
    cells = [Cell("fixed", None, "none", clean)]
    cells += [
        Cell("fixed", encoders[choice], condition, clean)
        for choice, condition in conditions
        if choice is not None and condition != "changed"  # other passages are relevant
    ]
    return dataclasses.replace(
        plan,
        configuration=dataclasses.replace(
            configuration,
            encoders=tuple(encoders.values()),
            corpus=str((within / f"corpus.{configuration.name}.probes.jsonl").absolute()),
            index=None,
            run=str((within / f"run.{configuration.name}.probes.txt").absolute()),
            candidates=("fixed",),
            hits=depth,
        ),
        topics=[topic for topic in plan.topics if topic.qid in candidates],
        variations=[clean],
        cells=cells,
        depth=depth,
    )
