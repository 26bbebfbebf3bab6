"""Evaluation as jobs: runs and qrels by name or in memory, scored, compared and held against changed instructions."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from instrerank.collections import load_qrels, load_run, load_topics
from instrerank.collections.loaded import is_name
from instrerank.errors import InputError
from instrerank.evaluation import measures as measuring
from instrerank.evaluation.infosearch import gold_documents, sicr_by_topic, wise_by_topic
from instrerank.evaluation.instructions import changed_documents, p_mrr_by_topic, run_under, under_instructions
from instrerank.evaluation.measures import DEFAULT_MEASURES, Evaluation
from instrerank.evaluation.significance import Correction, corrected, mean_interval
from instrerank.evaluation.significance import compare as compare_scores
from instrerank.evaluation.stability import stability_by_topic
from instrerank.trec import Qrels, Run
from instrerank.trec.problems import listed

log = logging.getLogger(__name__)


class ComparedRun(NamedTuple):
    """One measure of one run against the baseline: a row of `compare`.

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


class Followed(NamedTuple):
    """How far one run follows a change of the instructions: a row of `compare_instructions`.

    Attributes:
        run: name of the run under the changed instructions.
        original: by measure the mean of the baseline under the original qrels.
        changed: by measure the mean of the run under the changed qrels.
        moves: by measure (`p-MRR`, `kept`; with reversed runs `SICR`, `WISE`) the values by qid, −1 to 1.
    """

    run: str
    original: dict[str, float]
    changed: dict[str, float]
    moves: dict[str, dict[str, float]]


def evaluate(
    run: Any,
    qrels: Any,
    measures: Sequence[str] = DEFAULT_MEASURES,
    *,
    relevance_level: int = 1,
    max_docs: int | None = None,
    topics: Any = None,
) -> Evaluation:
    """Score a run as trec_eval does, digit for digit, with every judged topic in the mean.

    Args:
        run: a run as `instrerank.load_run` takes it: a `Run`, a path, a mapping, a data frame, ir_measures' tuples.
        qrels: as `instrerank.load_qrels` takes them.
        measures: names of trec_eval (`ndcg_cut.10`) or ir_measures (`nDCG@10`, `R(rel=2)@100`).
        relevance_level: least grade that counts as relevant, except for nDCG (trec_eval's `-l`).
        max_docs: cut every ranking to its first documents, so many of them (trec_eval's `-M`).
        topics: average over these topics only, as `instrerank.load_topics` takes them; "run": over the judged topics
            that the run answers (trec_eval without `-c`).

    Returns:
        Means, values by topic, and which topics took no part.

    Raises:
        InputError: an unknown measure, no topic in common, or a run or qrels that cannot be read.
        MissingPrerequisiteError: as `instrerank.load_qrels`.
    """
    return _evaluate(run, qrels, measures, relevance_level, max_docs, topics)


def compare(
    runs: Sequence[Any],
    qrels: Any,
    baseline: Any,
    measures: Sequence[str] = DEFAULT_MEASURES,
    *,
    relevance_level: int = 1,
    max_docs: int | None = None,
    topics: Any = None,
    correction: Correction = "holm",
    stability: bool = False,
) -> list[ComparedRun]:
    """Compare runs with a baseline, topic by topic.

    Args:
        runs: runs as for `evaluate`; the baseline itself is left out where it is among them.
        qrels: as for `evaluate`.
        baseline: a run as for `evaluate`.
        measures: as for `evaluate`.
        relevance_level: as for `evaluate`.
        max_docs: as for `evaluate`.
        topics: as for `evaluate`; "run": the judged topics that all runs and the baseline answer.
        correction: of the p values, over all rows: "holm" or "bonferroni".
        stability: add rows that say how alike the rankings are (overlap@10, rank-biased overlap, Kendall's tau).

    Returns:
        A row for each measure and run.

    Raises:
        InputError: as `evaluate`, or a measure that is no mean over topics.
        MissingPrerequisiteError: as `evaluate`.
    """
    sources = [baseline, *(run for run in runs if not _same(run, baseline))]
    loaded = [load_run(source) for source in sources]
    judged = _selected(load_qrels(qrels), topics, loaded)
    first, *others = (
        _evaluate(run, judged, measures, relevance_level, max_docs, None, name=source)
        for source, run in zip(sources, loaded, strict=True)
    )
    counts = [name for name in first.means if name.startswith(("num_", "gm_"))]
    if counts:
        raise InputError(
            f"{', '.join(counts)}: not a mean over topics, so nothing to test; leave it out of `measures`"
        )
    names = _names(sources[1:], [each.run_tag for each in others])
    compared = [
        (measure, name, compare_scores(_by_topic(evaluation, measure), _by_topic(first, measure)))
        for measure in first.means
        for name, evaluation in zip(names, others, strict=True)
    ]
    t_tests = corrected([each.p_t_test for *_, each in compared], correction)
    randomised = corrected([each.p_randomisation for *_, each in compared], correction)
    rows = [
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
    if stability:
        for run, name in zip(loaded[1:], names, strict=True):
            for measure, values in stability_by_topic(run, loaded[0], judged, max_docs).items():
                mean, low, high = mean_and_interval(values)
                rows.append(ComparedRun(measure, name, None, mean, low=low, high=high))
    return rows


def compare_instructions(
    runs: Sequence[Any],
    qrels: Any,
    baseline: Any,
    changed_qrels: Any,
    measures: Sequence[str] = DEFAULT_MEASURES,
    *,
    reversed_runs: Sequence[Any] = (),
    relevance_level: int = 1,
    max_docs: int | None = None,
) -> list[Followed]:
    """Tell how far runs under changed instructions follow the change.

    Args:
        runs: runs under the changed instructions.
        qrels: judgements under the original instructions.
        baseline: the run under the original instructions.
        changed_qrels: judgements under the changed ones. FollowIR's qids (`310-og`, `310-changed`) are understood in
            runs and qrels.
        measures: as for `evaluate`.
        reversed_runs: for each run the one under the reversed instructions, which SICR and WISE need.
        relevance_level: as for `evaluate`.
        max_docs: as for `evaluate`.

    Returns:
        A row for each run.

    Raises:
        InputError: as `evaluate`, or as many reversed runs as runs are not given.
        MissingPrerequisiteError: as `evaluate`.
    """
    if reversed_runs and len(reversed_runs) != len(runs):
        given = f"given {len(runs)} and {len(reversed_runs)}"
        raise InputError(f"each run needs its reversed run, in the same order; {given}")
    before = under_instructions(load_qrels(qrels), "original")
    after = under_instructions(load_qrels(changed_qrels), "changed")
    documents = changed_documents(before, after, relevance_level)
    gold = gold_documents(before, after, relevance_level)
    original = run_under(load_run(baseline), "original")
    options = measures, relevance_level, max_docs, None
    first = _evaluate(original, before, *options, name=baseline)
    loaded = [run_under(load_run(run), "changed") for run in runs]
    evaluations = [_evaluate(run, after, *options, name=name) for name, run in zip(runs, loaded, strict=True)]
    rows = []
    names = _names(runs, [each.run_tag for each in evaluations])
    for place, (changed, name, evaluation) in enumerate(zip(loaded, names, evaluations, strict=True)):
        moves = {
            "p-MRR": p_mrr_by_topic(original, changed, documents),
            "kept": p_mrr_by_topic(original, changed, gold) if gold else {},
        }
        if reversed_runs:
            three = original, changed, load_run(reversed_runs[place])
            moves |= {"SICR": sicr_by_topic(*three, gold), "WISE": wise_by_topic(*three, gold, documents)}
        rows.append(Followed(name, dict(first.means), dict(evaluation.means), moves))
    return rows


def evaluate_all(
    runs: Sequence[Any],
    qrels: Any,
    measures: Sequence[str] = DEFAULT_MEASURES,
    *,
    relevance_level: int = 1,
    max_docs: int | None = None,
    topics: Any = None,
) -> dict[str, Evaluation]:
    """Score several runs over the same topics; arguments and errors as for `evaluate`.

    Returns:
        The evaluations by name: the runs' tags, or their files where two have the same.
    """
    loaded = [load_run(run) for run in runs]
    judged = _selected(load_qrels(qrels), topics, loaded)
    found = [
        _evaluate(run, judged, measures, relevance_level, max_docs, None, name=source)
        for source, run in zip(runs, loaded, strict=True)
    ]
    return dict(zip(_names(runs, [each.run_tag for each in found]), found, strict=True))


def mean_and_interval(values: Mapping[str, float]) -> tuple[float | None, float | None, float | None]:
    """Return the mean of values by qid and its 95% bootstrap interval; None where nothing can be said."""
    if not values:
        return None, None, None
    scores = list(values.values())
    return statistics.fmean(scores), *(mean_interval(scores) or (None, None))


def _evaluate(
    source: Any,
    qrels: Any,
    measures: Sequence[str],
    relevance_level: int,
    max_docs: int | None,
    topics: Any,
    *,
    name: Any = None,
) -> Evaluation:
    """Evaluate one run, and log which topics took part."""
    run = load_run(source)
    judged = _selected(load_qrels(qrels), topics, [run])
    found = measuring.evaluate(run, judged, measures, relevance_level=relevance_level, max_docs=max_docs)
    name = source if name is None else name
    note = f"{name if is_name(name) else run.tag}: answered {len(judged) - len(found.missing)} of {len(judged)}"
    note += " judged topics"
    if found.missing:
        note += f", the missing ones count 0: {listed(found.missing)}"
    if found.unjudged:
        note += f"; {len(found.unjudged)} of its topics have no judgement and are left out"
    log.log(logging.WARNING if found.missing or found.unjudged else logging.INFO, note)
    return found


def _selected(qrels: Qrels, topics: Any, runs: Sequence[Run]) -> Qrels:
    """Return the judgements of the topics that count."""
    if topics is None:
        return qrels
    if is_name(topics) and str(topics) == "run":
        kept = {qid: grades for qid, grades in qrels.items() if all(run.rankings.get(qid) for run in runs)}
        what = "the runs answer none of the judged topics in common"
    else:
        wanted = {topic.qid for topic in load_topics(topics)}
        kept = {qid: grades for qid, grades in qrels.items() if qid in wanted}
        what = f"none of the {len(wanted)} topics is judged"
    if not kept:
        raise InputError(f"{what}: check that runs, `topics` and `qrels` belong together")
    if len(kept) < len(qrels):
        log.warning(f"{len(kept)} of {len(qrels)} judged topics count; the others are left out on request")
    return kept


def _names(sources: Sequence[Any], tags: Sequence[str]) -> list[str]:
    """Name runs by their tags, or where two have the same by their files, or their places."""
    if len(set(tags)) == len(tags):
        return list(tags)
    names = [str(source) if is_name(source) else tag for source, tag in zip(sources, tags, strict=True)]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({place})" for place, name in enumerate(names, start=1)]


def _same(run: Any, baseline: Any) -> bool:
    return run is baseline or (is_name(run) and is_name(baseline) and str(run) == str(baseline))


def _by_topic(evaluation: Evaluation, measure: str) -> list[float]:
    return [values[measure] for values in evaluation.per_query.values()]
