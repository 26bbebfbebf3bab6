"""Comparing runs with a baseline, topic by topic, and across a change of instructions: rows of tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from instrerank.errors import InputError
from instrerank.evaluation.infosearch import gold_documents, sicr_by_topic, wise_by_topic
from instrerank.evaluation.instructions import changed_documents, p_mrr_by_topic
from instrerank.evaluation.measures import Evaluation
from instrerank.evaluation.significance import Correction, compare, corrected, mean_and_interval
from instrerank.evaluation.stability import stability_by_topic
from instrerank.trec import Qrels, Run
from instrerank.trec.runs import cut_run


class ComparedRun(NamedTuple):
    """One measure of one run against the baseline: a row of `compare_runs` or `stability_rows`.

    Attributes:
        measure: trec_eval's printed name, or ir_measures' name as requested.
        run: name of the run.
        baseline: mean of the baseline; None in rows that measure only the similarity of rankings.
        mean: mean of the run.
        difference: mean of run − baseline over topics.
        relative: difference / baseline.
        low: lower bound of the 95% bootstrap CI of the difference.
        high: upper bound.
        p_t_test: p value of the two-sided paired t-test.
        corrected_p_t_test: the same, corrected over all rows.
        p_randomisation: p value of the two-sided paired randomisation test.
        corrected_p_randomisation: the same, corrected over all rows.
        effect_size: mean of the differences / their standard deviation over topics.
        wins: number of topics on which the run scores higher.
        ties: number of topics on which both score the same.
        losses: number of topics on which the run scores lower.
    """

    measure: str
    run: str
    baseline: float | None
    mean: float | None
    difference: float | None = None
    relative: float | None = None
    low: float | None = None
    high: float | None = None
    p_t_test: float | None = None
    corrected_p_t_test: float | None = None
    p_randomisation: float | None = None
    corrected_p_randomisation: float | None = None
    effect_size: float | None = None
    wins: int | None = None
    ties: int | None = None
    losses: int | None = None


def compare_runs(
    evaluations: Mapping[str, Evaluation], baseline: Evaluation, *, correction: Correction = "holm"
) -> list[ComparedRun]:
    """Compare runs with a baseline, topic by topic.

    Args:
            evaluations: evaluations by run name, with the same topics and measures as the baseline.
            baseline: evaluation of the baseline.
            correction: multiple-testing correction of the p values over all rows: "holm" or "bonferroni".

    Returns:
            One row per measure and run; those of a benchmark's own measures are compared unit by unit.

    Raises:
            InputError: a measure that is not a mean over topics, or different topics.
    """
    counts = [name for name in baseline.means if name.startswith(("num_", "gm_"))]
    if counts:
        raise InputError(
            f"{', '.join(counts)}: not a mean over topics, so it cannot be tested; remove it from `measures`"
        )
    compared = [
        (measure, name, compare(_by_topic(evaluation, measure), _by_topic(baseline, measure)))
        for measure in baseline.means
        for name, evaluation in evaluations.items()
    ]
    compared += [
        (measure, name, compare(evaluation.benchmark[measure], units))
        for measure, units in baseline.benchmark.items()
        for name, evaluation in evaluations.items()
    ]
    t_tests = corrected([each.p_t_test for *_, each in compared], correction)
    randomised = corrected([each.p_randomisation for *_, each in compared], correction)
    return [
        ComparedRun(
            *(measure, name, each.baseline, each.mean, each.difference, each.relative_difference),
            low=each.interval and each.interval[0],
            high=each.interval and each.interval[1],
            p_t_test=each.p_t_test,
            corrected_p_t_test=p_t_test,
            p_randomisation=each.p_randomisation,
            corrected_p_randomisation=p_randomised,
            effect_size=each.effect_size,
            wins=each.wins,
            ties=each.ties,
            losses=each.losses,
        )
        for (measure, name, each), p_t_test, p_randomised in zip(compared, t_tests, randomised, strict=True)
    ]


def stability_rows(
    runs: Mapping[str, Run], baseline: Run, qrels: Qrels, *, max_docs: int | None = None
) -> list[ComparedRun]:
    """Measure the similarity of rankings to a baseline's: overlap@10, rank-biased overlap, Kendall's tau.

    Args:
        runs: runs by name.
        baseline: the run to compare with.
        qrels: judgements, which determine the topics.
        max_docs: truncate every ranking to this depth first.

    Returns:
        One row per run and measure, with the mean over topics and its CI.
    """
    rows = []
    for name, run in runs.items():
        for measure, values in stability_by_topic(run, baseline, qrels, max_docs).items():
            mean, low, high = mean_and_interval(values)
            rows.append(ComparedRun(measure, name, None, mean, low=low, high=high))
    return rows


def instruction_moves(
    original: Run,
    changed: Run,
    qrels: Qrels,
    changed_qrels: Qrels,
    *,
    reversed_run: Run | None = None,
    relevance_level: int = 1,
    max_docs: int | None = None,
) -> dict[str, dict[str, float]]:
    """Measure how well a ranking follows a change of the instructions.

    Args:
        original: the run under the original instructions.
        changed: the run under the changed instructions.
        qrels: judgements under the original instructions, with the same plain qids as the runs (see
            `instrerank.evaluation.instructions.run_under`).
        changed_qrels: judgements under the changed instructions.
        reversed_run: the run under the reversed instructions, for SICR and WISE.
        relevance_level: minimum grade that counts as relevant.
        max_docs: truncate every ranking to this depth first; documents below get the rank after the last.

    Returns:
        Values between −1 and 1 by measure, then by qid: `p-MRR`; `kept`, the same over documents that stay relevant;
        with a reversed run also `SICR` and `WISE`.

    Raises:
        InputError: no document stops being relevant, or a run has no results for a topic with such a document.
    """
    documents = changed_documents(qrels, changed_qrels, relevance_level)
    gold = gold_documents(qrels, changed_qrels, relevance_level)
    original, changed = cut_run(original, max_docs), cut_run(changed, max_docs)
    moves = {
        "p-MRR": p_mrr_by_topic(original, changed, documents),
        "kept": p_mrr_by_topic(original, changed, gold) if gold else {},
    }
    if reversed_run is not None:
        three = original, changed, cut_run(reversed_run, max_docs)
        moves |= {"SICR": sicr_by_topic(*three, gold), "WISE": wise_by_topic(*three, gold, documents)}
    return moves


def _by_topic(evaluation: Evaluation, measure: str) -> dict[str, float]:
    return {qid: values[measure] for qid, values in evaluation.per_query.items()}
