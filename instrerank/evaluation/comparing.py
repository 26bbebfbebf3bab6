"""Runs held against a baseline, topic by topic, and against a change of the instructions: rows of tables."""

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
        measure: trec_eval's printed name, or ir_measures' as it was asked for.
        run: name of the run.
        baseline: mean of the baseline; None where the row only says how alike the rankings are.
        mean: mean of the run.
        difference: mean of run − baseline over topics.
        relative: difference / baseline.
        low: lower end of the difference's 95% bootstrap interval.
        high: upper end.
        p_t_test: two-sided paired t-test.
        corrected_p_t_test: the same, corrected over all rows.
        p_randomisation: two-sided paired randomisation test.
        corrected_p_randomisation: the same, corrected over all rows.
        effect_size: mean difference / its standard deviation over topics.
        wins: topics on which the run scores higher.
        ties: topics on which both score the same.
        losses: topics on which it scores lower.
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
        evaluations: by the name of the run, of the same topics and measures as the baseline.
        baseline: what they are compared with.
        correction: of the p values, over all rows: "holm" or "bonferroni".

    Returns:
        A row for each measure and run.

    Raises:
        InputError: a measure that is not a mean over topics, or other topics.
    """
    counts = [name for name in baseline.means if name.startswith(("num_", "gm_"))]
    if counts:
        raise InputError(
            f"{', '.join(counts)}: not a mean over topics, so nothing to test; leave it out of `measures`"
        )
    compared = [
        (measure, name, compare(_by_topic(evaluation, measure), _by_topic(baseline, measure)))
        for measure in baseline.means
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
    """Tell how alike the rankings of runs and a baseline are: overlap@10, rank-biased overlap, Kendall's tau.

    Args:
        runs: by name.
        baseline: what they are compared with.
        qrels: the judgements, for their topics.
        max_docs: cut every ranking to so many documents first.

    Returns:
        A row for each run and measure, with the mean over topics and its interval.
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
    """Tell how far a ranking follows a change of the instructions.

    Args:
        original: the run under the original instructions.
        changed: the run under the changed ones.
        qrels: judgements under the original instructions, with the same plain qids as the runs (see
            `instrerank.evaluation.instructions.run_under`).
        changed_qrels: judgements under the changed ones.
        reversed_run: the run under the reversed instructions, for SICR and WISE.
        relevance_level: least grade that counts as relevant.
        max_docs: cut every ranking to so many documents first: a document beyond has the rank after the last.

    Returns:
        By measure (`p-MRR`; `kept`, the same of what stays relevant; with a reversed run `SICR`, `WISE`) the values by
        qid, −1 to 1.

    Raises:
        InputError: no document stops being relevant, or a run lacks a topic that has one.
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
