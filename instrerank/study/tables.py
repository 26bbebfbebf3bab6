"""The tables of a study: scores, robustness, the hypothesis, instructions (columns in docs/study.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from statistics import fmean, stdev
from typing import Any, NamedTuple

from instrerank.evaluation.infosearch import gold_documents
from instrerank.evaluation.instructions import Documents, changed_documents, p_mrr_by_topic
from instrerank.evaluation.robustness import mean_over_seeds, prompt_sensitivity, success_rate, worst_case
from instrerank.evaluation.significance import LEAST_DIFFERENCE, compare, corrected
from instrerank.evaluation.stability import kendall_tau, overlap, rank_biased_overlap
from instrerank.study.configuration import FIRST_STAGE, System
from instrerank.study.plan import Cell
from instrerank.study.results import Results, Scores

INVARIANCE = "invariance"
"""All perturbations of the query that should change nothing and need no review: what the headline is about."""

Row = dict[str, Any]


class Table(NamedTuple):
    """A table with its name; a cell is text, a number, or None where nothing can be said."""

    name: str
    rows: list[Row]


def all_tables(results: Results) -> list[Table]:
    """Return every table of one mode."""
    makers: dict[str, Callable[[Results], list[Row]]] = {
        "cells": cells,
        "topics": topics,
        "robustness": robustness,
        "families": families,
        "hypotheses": hypotheses,
        "instructions": instructions,
    }
    return [Table(name, make(results)) for name, make in makers.items()]


def cells(results: Results) -> list[Row]:
    """Return the mean of each measure in each run."""
    return [
        {
            **_described(cell),
            "topics": len(by_qid),
            "changed_queries": len(cell.variation.changed),
            "measure": measure,
            "mean": fmean(by_qid.values()),
            "run": cell.path(results.plan.configuration).as_posix(),
        }
        for cell, scores in results.scores.items()
        for measure, by_qid in scores.items()
    ]


def topics(results: Results) -> list[Row]:
    """Return the value of each measure for each topic of each run."""
    return [
        {
            **_of_system(cell.system),
            "perturbation": cell.variation.name,
            "seed": cell.variation.seed,
            "measure": measure,
            "qid": qid,
            "score": score,
        }
        for cell, scores in results.scores.items()
        for measure, by_qid in scores.items()
        for qid, score in by_qid.items()
    ]


def robustness(results: Results) -> list[Row]:
    """Return, for each system, perturbation and measure, what the perturbation costs.

    Seeds are averaged inside a topic before topics are compared.
    """
    rows = []
    for system in results.systems:
        clean = results.clean(system)
        for draws in results.draws(system).values():
            described = _described(draws[0])
            del described["seed"]
            changed = sum(len(cell.variation.changed) for cell in draws) / len(draws)
            stability = _stability(results, clean, draws)
            for measure, before in results.scores[clean].items():
                scores = [results.scores[cell][measure] for cell in draws]
                changed_qids = [cell.variation.changed for cell in draws]
                rates = [success_rate(before, each, qids) for each, qids in zip(scores, changed_qids, strict=True)]
                rows.append(
                    {
                        **described,
                        "in_invariance": _is_invariance(draws[0]),
                        "seeds": len(draws),
                        "changed_share": changed / len(results.plan.topics),
                        "measure": measure,
                        **_compared(mean_over_seeds(scores), before, ("perturbed", "clean")),
                        "worst_case": fmean(worst_case(scores).values()),
                        "sd_over_seeds": _deviation([fmean(each.values()) for each in scores]),
                        "success_rate": _mean_of_known(rates),
                        **stability,
                    }
                )
    return _corrected(rows)


def families(results: Results) -> list[Row]:
    """Return the same by family, each perturbation of it weighing the same; last, all that expect invariance."""
    rows = []
    for system in results.systems:
        clean = results.clean(system)
        for family, members in _families(results, system).items():
            for measure, before in results.scores[clean].items():
                means = [results.mean_scores(draws, measure) for draws in members]
                every = [results.scores[cell][measure] for draws in members for cell in draws]
                compared = _compared(mean_over_seeds(means), before, ("perturbed", "clean"))
                rows.append(
                    {
                        **_of_system(system),
                        "family": family,
                        "perturbations": len(members),
                        "measure": measure,
                        **{
                            key: compared[key]
                            for key in ("clean", "perturbed", "difference", "relative", "low", "high")
                        },
                        "worst_case": fmean(worst_case(every).values()),
                    }
                )
    return rows


def hypotheses(results: Results) -> list[Row]:
    """Return whether one system is more robust than another: the difference of their drops, topic by topic.

    A drop is clean − perturbed, the seeds of a perturbation averaged inside the topic; `invariance` averages the
    drops over all perturbations of the query that both have and that should change nothing.
    """
    rows = []
    for first, second in _pairs(results):
        sides = [(results.clean(system), results.draws(system)) for system in (first, second)]
        shared = [name for name in sides[0][1] if name in sides[1][1]]
        invariant = [name for name in shared if _is_invariance(sides[0][1][name][0])]
        groups = ({INVARIANCE: invariant} if invariant else {}) | {name: [name] for name in shared}
        for group, names in groups.items():
            for measure in results.scores[sides[0][0]]:
                drops = [_drop(results, clean, [draws[name] for name in names], measure) for clean, draws in sides]
                compared = compare(list(drops[0].values()), [drops[1][qid] for qid in drops[0]])
                low, high = compared.interval or (None, None)
                rows.append(
                    {
                        **{f"{key}_a": value for key, value in _of_system(first).items()},
                        **{f"{key}_b": value for key, value in _of_system(second).items()},
                        "perturbation": group,
                        "measure": measure,
                        "topics": compared.topics,
                        "drop_a": compared.mean,
                        "drop_b": compared.baseline,
                        "difference": compared.difference,
                        "low": low,
                        "high": high,
                        "p": compared.p_t_test,
                        "corrected_p": None,
                        "effect_size": compared.effect_size,
                        "p_randomisation": compared.p_randomisation,
                    }
                )
    return _corrected(rows)


def instructions(results: Results) -> list[Row]:
    """Return what instructions change on the clean queries, p-MRR, and how much the wording of a prompt matters."""
    rows = []
    for encoder in dict.fromkeys(encoder for encoder, _ in results.systems if encoder != FIRST_STAGE):
        conditions = [condition for name, condition in results.systems if name == encoder]
        for condition in conditions:
            scores = results.scores[results.clean((encoder, condition))]
            if condition == "none" or "none" not in conditions:
                continue
            without = results.scores[results.clean((encoder, "none"))]
            if condition == "changed":
                without = results.changed_none.get(encoder, without)
            for measure, by_qid in scores.items():
                compared = _compared(by_qid, without[measure], ("mean", "none"))
                rows.append(_instruction_row(encoder, condition, measure, len(by_qid), compared))
        if {"own", "changed"} <= set(conditions) and results.plan.changed_qrels is not None:
            level = results.plan.configuration.relevance_level
            for measure, chosen in (("p_mrr", changed_documents), ("p_mrr_kept", gold_documents)):
                documents = chosen(results.plan.qrels, results.plan.changed_qrels, level)
                rows += _p_mrr(results, encoder, measure, documents)
        generic = results.draws((encoder, "own")).get("instruction-generic", []) if "own" in conditions else []
        for measure in results.scores[generic[0]] if len(generic) > 1 else ():
            by_prompt = [fmean(results.scores[cell][measure].values()) for cell in generic]
            value = {"mean": prompt_sensitivity(by_prompt)}
            count = len(results.scores[generic[0]][measure])
            rows.append(
                _instruction_row(encoder, "instruction-generic", f"prompt_sensitivity {measure}", count, value)
            )
    return _corrected(rows)


def _p_mrr(results: Results, encoder: str, measure: str, documents: Documents) -> list[Row]:
    """Return the row of p-MRR over some documents of those topics that both runs answer, if there are any."""
    original, changed = (results.runs[results.clean((encoder, condition))] for condition in ("own", "changed"))
    answered = original.rankings.keys() & changed.rankings.keys()
    documents = {qid: docids for qid, docids in documents.items() if qid in answered}
    if not documents:
        return []
    moves = [100 * move for move in p_mrr_by_topic(original, changed, documents).values()]
    compared = compare(moves, [0.0] * len(moves), randomisation=False)
    low, high = compared.interval or (None, None)
    return [
        _instruction_row(encoder, "changed", measure, len(moves), {"mean": compared.mean, "low": low, "high": high})
    ]


def _instruction_row(encoder: str, condition: str, measure: str, count: int, values: Row) -> Row:
    keys = ("mean", "none", "difference", "low", "high", "p", "corrected_p")
    return {
        **_of_system((encoder, condition)),
        "measure": measure,
        "topics": count,
        **{key: values.get(key) for key in keys},
    }


def _compared(scores: Scores, baseline: Scores, names: tuple[str, str]) -> Row:
    """Compare scores with a baseline; `names` are the columns of their means, the baseline's stands first."""
    compared = compare([scores[qid] for qid in baseline], list(baseline.values()), randomisation=False)
    low, high = compared.interval or (None, None)
    return {
        names[1]: compared.baseline,
        names[0]: compared.mean,
        "difference": compared.difference,
        "relative": compared.relative_difference,
        "low": low,
        "high": high,
        "p": compared.p_t_test,
        "corrected_p": None,
        "effect_size": compared.effect_size,
        "wins": compared.wins,
        "ties": compared.ties,
        "losses": compared.losses,
    }


def _corrected(rows: list[Row]) -> list[Row]:
    """Correct p by Holm over all rows of one measure: the family of tests that a reader scans."""
    for measure in dict.fromkeys(row["measure"] for row in rows):
        family = [row for row in rows if row["measure"] == measure]
        for row, p in zip(family, corrected([row["p"] for row in family]), strict=True):
            row["corrected_p"] = p
    return rows


def _stability(results: Results, clean: Cell, draws: Sequence[Cell]) -> Row:
    """Return how alike the perturbed rankings are to the clean one, within the depth of reranking."""
    depth = results.plan.configuration.hits
    alike: dict[str, list[float | None]] = {"overlap_10": [], "rbo": [], "tau": []}
    for qid, ranking in results.runs[clean].rankings.items():
        before = [document.docid for document in ranking[:depth]]
        for cell in draws:
            after = [document.docid for document in results.runs[cell].rankings.get(qid, [])[:depth]]
            alike["overlap_10"].append(overlap(before, after, 10))
            alike["rbo"].append(rank_biased_overlap(before, after))
            alike["tau"].append(kendall_tau(before, after))
    return {name: _mean_of_known(values) for name, values in alike.items()}


def _families(results: Results, system: System) -> dict[str, list[list[Cell]]]:
    """Return by family the cells of its perturbations; a family of one is in the table of perturbations already."""
    members: dict[str, list[list[Cell]]] = {}
    for draws in results.draws(system).values():
        perturbation = draws[0].variation.perturbation
        assert perturbation is not None
        members.setdefault(perturbation.family, []).append(draws)
    invariant = [draws for draws in results.draws(system).values() if _is_invariance(draws[0])]
    return members | ({INVARIANCE: invariant} if invariant else {})


def _is_invariance(cell: Cell) -> bool:
    perturbation = cell.variation.perturbation
    return (
        perturbation is not None
        and perturbation.expects == "invariance"
        and not perturbation.needs_review
        and not cell.variation.of_instruction
    )


def _drop(results: Results, clean: Cell, perturbations: Sequence[list[Cell]], measure: str) -> dict[str, float]:
    perturbed = mean_over_seeds([results.mean_scores(draws, measure) for draws in perturbations])
    drops = {qid: score - perturbed[qid] for qid, score in results.scores[clean][measure].items()}
    # a mean of equal scores may differ from them in the last bit: that is no drop
    return {qid: drop if abs(drop) >= LEAST_DIFFERENCE else 0.0 for qid, drop in drops.items()}


def _pairs(results: Results) -> list[tuple[System, System]]:
    """Return the pairs of systems to compare: those asked for, or encoders by condition and conditions by encoder."""
    asked = results.plan.configuration.system_pairs
    tested = [system for system in results.systems if results.draws(system)]
    if asked is not None:
        return [(first, second) for first, second in asked if first in tested and second in tested]
    leader = next((encoder for encoder, _ in tested if encoder != FIRST_STAGE), None)
    pairs = []
    for first, second in combinations(tested, 2):
        same_condition = first[1] == second[1] and (FIRST_STAGE in (first[0], second[0]) or first[0] == leader)
        if same_condition or (first[0] == second[0] and first[1] == "none"):
            pairs.append((first, second))
    return pairs


def _described(cell: Cell) -> Row:
    perturbation = cell.variation.perturbation
    return {
        **_of_system(cell.system),
        "perturbation": cell.variation.name,
        "family": perturbation.family if perturbation else None,
        "expects": perturbation.expects if perturbation else None,
        "seed": cell.variation.seed,
    }


def _of_system(system: System) -> Row:
    return {"encoder": system[0], "instructions": system[1]}


def _deviation(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


def _mean_of_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
