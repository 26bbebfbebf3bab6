"""The tables `robustness` and `families`: the effect of perturbed queries on each system."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import stdev
from typing import NamedTuple

from instrerank.evaluation.means import mean
from instrerank.evaluation.robustness import mean_over_seeds, success_rate, worst_case
from instrerank.evaluation.stability import kendall_tau, overlap, rank_biased_overlap
from instrerank.study.configuration import System
from instrerank.study.plan import Cell
from instrerank.study.results import Results
from instrerank.study.rows import INVARIANCE, FamilyRobustness, Robustness
from instrerank.study.tables.comparison import compared, is_invariance, mean_of_known, with_corrected_p


class _Stability(NamedTuple):
    """Similarity of the perturbed rankings to the clean one, down to the depth of reranking: means over topics."""

    overlap_10: float | None
    rbo: float | None
    tau: float | None


def robustness_rows(results: Results) -> list[Robustness]:
    """Return the effect of each perturbation on each system by each measure.

    Seeds are averaged within each topic first.
    """
    rows = []
    for system in results.systems:
        clean = results.clean(system)
        for draws in results.draws(system).values():
            stability = _stability(results, clean, draws)
            for measure in results.scores[clean]:
                rows.append(_robustness_row(results, clean, draws, measure, stability))
    return with_corrected_p(rows)


def _robustness_row(
    results: Results, clean: Cell, draws: Sequence[Cell], measure: str, stability: _Stability
) -> Robustness:
    """Return the row of one measure for the draws of one perturbation."""
    before = results.scores[clean][measure]
    scores = [results.scores[cell][measure] for cell in draws]
    means = [mean(each) for each in scores]
    change = compared(mean_over_seeds(scores), before)
    low, high = change.interval or (None, None)
    perturbation = draws[0].variation.perturbation
    assert perturbation is not None
    changed = [cell.variation.changed for cell in draws]
    return Robustness(
        *clean.system,
        perturbation=perturbation.name,
        family=perturbation.family,
        expects=perturbation.expects,
        in_invariance=is_invariance(draws[0]),
        seeds=len(draws),
        changed_share=mean(map(len, changed)) / len(results.plan.topics),
        measure=measure,
        clean=change.baseline,
        perturbed=change.mean,
        difference=change.difference,
        relative=change.relative_difference,
        low=low,
        high=high,
        p=change.p_t_test,
        corrected_p=None,
        effect_size=change.effect_size,
        wins=change.wins,
        ties=change.ties,
        losses=change.losses,
        worst_case=mean(worst_case(scores)),
        sd_over_seeds=stdev(means) if len(means) > 1 else None,
        success_rate=mean_of_known(success_rate(before, *each) for each in zip(scores, changed, strict=True)),
        overlap_10=stability.overlap_10,
        rbo=stability.rbo,
        tau=stability.tau,
    )


def family_rows(results: Results) -> list[FamilyRobustness]:
    """Return the effect by family, each perturbation with equal weight; last, the family `invariance`."""
    rows = []
    for system in results.systems:
        clean = results.clean(system)
        for family, members in families(results, system).items():
            for measure, before in results.scores[clean].items():
                change = compared(mean_over_seeds([results.mean_scores(draws, measure) for draws in members]), before)
                low, high = change.interval or (None, None)
                every = [results.scores[cell][measure] for draws in members for cell in draws]
                rows.append(
                    FamilyRobustness(
                        *system,
                        family=family,
                        perturbations=len(members),
                        measure=measure,
                        clean=change.baseline,
                        perturbed=change.mean,
                        difference=change.difference,
                        relative=change.relative_difference,
                        low=low,
                        high=high,
                        worst_case=mean(worst_case(every)),
                    )
                )
    return rows


def families(results: Results, system: System) -> dict[str, list[list[Cell]]]:
    """Return the cells of each perturbation by family."""
    members: dict[str, list[list[Cell]]] = {}
    for draws in results.draws(system).values():
        perturbation = draws[0].variation.perturbation
        assert perturbation is not None
        members.setdefault(perturbation.family, []).append(draws)
    invariant = [draws for draws in results.draws(system).values() if is_invariance(draws[0])]
    return members | ({INVARIANCE: invariant} if invariant else {})


def _stability(results: Results, clean: Cell, draws: Sequence[Cell]) -> _Stability:
    depth = results.plan.configuration.hits
    overlaps, rbos, taus = [], [], []
    for qid, ranking in results.runs[clean].rankings.items():
        before = [document.docid for document in ranking[:depth]]
        for cell in draws:
            after = [document.docid for document in results.runs[cell].rankings.get(qid, [])[:depth]]
            overlaps.append(overlap(before, after, 10))
            rbos.append(rank_biased_overlap(before, after))
            taus.append(kendall_tau(before, after))
    return _Stability(mean_of_known(overlaps), mean_of_known(rbos), mean_of_known(taus))
