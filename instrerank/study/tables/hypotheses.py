"""The table `hypotheses`: whether one system is more robust than another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from instrerank.evaluation.robustness import mean_over_seeds
from instrerank.evaluation.significance import LEAST_DIFFERENCE, compare
from instrerank.study.configuration import FIRST_STAGE, System
from instrerank.study.plan import Cell
from instrerank.study.results import Results
from instrerank.study.rows import INVARIANCE, Hypothesis
from instrerank.study.tables.comparison import is_invariance, with_corrected_p


def hypothesis_rows(results: Results) -> list[Hypothesis]:
    """Return the drops of each pair of systems, compared topic by topic.

    A drop is clean − perturbed, the seeds of a perturbation averaged within the topic; that of `invariance` is the
    mean over the meaning-preserving query perturbations that both systems were run on.
    """
    rows = []
    for pair in _pairs(results):
        clean = [results.clean(system) for system in pair]
        draws = [results.draws(system) for system in pair]
        shared = [name for name in draws[0] if name in draws[1]]
        invariant = [name for name in shared if is_invariance(draws[0][name][0])]
        groups = ({INVARIANCE: invariant} if invariant else {}) | {name: [name] for name in shared}
        for group, names in groups.items():
            for measure in results.scores[clean[0]]:
                drops = [
                    _drop(results, cell, [by_name[name] for name in names], measure)
                    for cell, by_name in zip(clean, draws, strict=True)
                ]
                rows.append(_hypothesis_row(pair, group, measure, drops))
    return with_corrected_p(rows)


def _hypothesis_row(
    pair: tuple[System, System], perturbation: str, measure: str, drops: Sequence[dict[str, float]]
) -> Hypothesis:
    (a, b), (drops_a, drops_b) = pair, drops
    change = compare(drops_a, drops_b)
    low, high = change.interval or (None, None)
    return Hypothesis(
        *a,
        *b,
        perturbation=perturbation,
        measure=measure,
        topics=change.topics,
        drop_a=change.mean,
        drop_b=change.baseline,
        difference=change.difference,
        low=low,
        high=high,
        p=change.p_t_test,
        corrected_p=None,
        effect_size=change.effect_size,
        p_randomisation=change.p_randomisation,
    )


def _drop(results: Results, clean: Cell, perturbations: Sequence[list[Cell]], measure: str) -> dict[str, float]:
    """Return clean − perturbed by qid, the mean over perturbations."""
    perturbed = mean_over_seeds([results.mean_scores(draws, measure) for draws in perturbations])
    drops = {qid: score - perturbed[qid] for qid, score in results.scores[clean][measure].items()}
    # the mean of equal scores may differ from them in the last bit: not a drop
    return {qid: drop if abs(drop) >= LEAST_DIFFERENCE else 0.0 for qid, drop in drops.items()}


def _pairs(results: Results) -> list[tuple[System, System]]:
    """Return the pairs of systems to compare: those of the configuration, or the default ones.

    These are, under the same condition, the first stage and the first encoder each against every other
    encoder; and for each encoder, no instructions against each other condition.
    """
    asked = results.plan.configuration.system_pairs
    tested = [system for system in results.systems if results.draws(system)]
    if asked is not None:
        return [(first, second) for first, second in asked if first in tested and second in tested]
    leader = next((system.encoder for system in tested if system.encoder != FIRST_STAGE), None)
    pairs = []
    for first, second in combinations(tested, 2):
        same_condition = first.instructions == second.instructions and (
            FIRST_STAGE in (first.encoder, second.encoder) or first.encoder == leader
        )
        if same_condition or (first.encoder == second.encoder and first.instructions == "none"):
            pairs.append((first, second))
    return pairs
