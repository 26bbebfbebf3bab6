"""The evaluation jobs: score runs, compare them with a baseline, and measure how well they follow instructions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from instrerank.collections import load_qrels, load_run, load_topics
from instrerank.collections.loaded import is_name
from instrerank.errors import InputError
from instrerank.evaluation import measures as measuring
from instrerank.evaluation.comparing import ComparedRun, compare_runs, instruction_moves, stability_rows
from instrerank.evaluation.instructions import run_under, under_instructions
from instrerank.evaluation.measures import DEFAULT_MEASURES, Evaluation
from instrerank.evaluation.significance import Correction
from instrerank.trec import Qrels, Run
from instrerank.trec.problems import listed

log = logging.getLogger(__name__)


class Followed(NamedTuple):
    """How well a run follows a change of instructions: a row of `compare_instructions`.

    Attributes:
        run: name of the run under the changed instructions.
        original: means of the baseline under the original qrels, by measure.
        changed: means of the run under the changed qrels, by measure.
        moves: values by qid, −1 to 1, for `p-MRR` and `kept` and, with reversed runs, `SICR` and `WISE`.
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
    """Score a run exactly as trec_eval does; means are over all judged topics.

    Args:
        run: a run as `instrerank.load_run` takes it: a `Run`, a path, a mapping, a data frame, ir_measures' tuples.
        qrels: as `instrerank.load_qrels` takes them.
        measures: trec_eval names (`ndcg_cut.10`) or ir_measures names (`nDCG@10`, `R(rel=2)@100`).
        relevance_level: minimum grade that counts as relevant, except in nDCG (trec_eval's `-l`).
        max_docs: evaluate only the first `max_docs` documents per topic (trec_eval's `-M`); None: all.
        topics: topics to average over, as `instrerank.load_topics` takes them; "run": the judged topics that the run
            retrieves documents for (trec_eval without `-c`); None: all judged topics.

    Returns:
        Means, values by topic, and which topics are missing or not judged.

    Raises:
        InputError: an unknown measure, no topic in common, or a run or qrels that cannot be read.
        MissingPrerequisiteError: as for `instrerank.load_qrels`.
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
        runs: runs as for `evaluate`; the baseline is left out if it is among them.
        qrels: as for `evaluate`.
        baseline: a run as for `evaluate`.
        measures: as for `evaluate`.
        relevance_level: as for `evaluate`.
        max_docs: as for `evaluate`.
        topics: as for `evaluate`; "run": the judged topics that all runs and the baseline retrieve documents for.
        correction: correction of p values over all rows: "holm" or "bonferroni".
        stability: add rows with the similarity of rankings (overlap@10, rank-biased overlap, Kendall's tau).

    Returns:
        A row per measure and run.

    Raises:
        InputError: as for `evaluate`, or a measure that is not a mean over topics.
        MissingPrerequisiteError: as for `evaluate`.
    """
    sources = [baseline, *(run for run in runs if not _same(run, baseline))]
    loaded = [load_run(source) for source in sources]
    judged = _selected(load_qrels(qrels), topics, loaded)
    first, *others = (
        _evaluate(run, judged, measures, relevance_level, max_docs, None, name=source)
        for source, run in zip(sources, loaded, strict=True)
    )
    names = _names(sources[1:], [each.run_tag for each in others])
    rows = compare_runs(dict(zip(names, others, strict=True)), first, correction=correction)
    if stability:
        runs_by_name = dict(zip(names, loaded[1:], strict=True))
        rows += stability_rows(runs_by_name, loaded[0], judged, max_docs=max_docs)
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
    """Measure how well runs under changed instructions follow the change.

    Args:
        runs: runs under the changed instructions.
        qrels: qrels under the original instructions.
        baseline: the run under the original instructions.
        changed_qrels: qrels under the changed instructions. FollowIR's qids (`310-og`, `310-changed`) are recognised
            in runs and qrels.
        measures: as for `evaluate`.
        reversed_runs: for each run, the run under the reversed instructions, for SICR and WISE.
        relevance_level: as for `evaluate`.
        max_docs: as for `evaluate`.

    Returns:
        A row per run.

    Raises:
        InputError: as for `evaluate`, or the number of reversed runs is not that of runs.
        MissingPrerequisiteError: as for `evaluate`.
    """
    if reversed_runs and len(reversed_runs) != len(runs):
        raise InputError(
            f"give one reversed run per run, in the same order; got {len(runs)} runs and {len(reversed_runs)} reversed"
        )
    before = under_instructions(load_qrels(qrels), "original")
    after = under_instructions(load_qrels(changed_qrels), "changed")
    original = run_under(load_run(baseline), "original")
    options = measures, relevance_level, max_docs, None
    first = _evaluate(original, before, *options, name=baseline)
    loaded = [run_under(load_run(run), "changed") for run in runs]
    evaluations = [_evaluate(run, after, *options, name=name) for name, run in zip(runs, loaded, strict=True)]
    rows = []
    names = _names(runs, [each.run_tag for each in evaluations])
    reversed_by_place: list[Run | None] = [load_run(run) for run in reversed_runs]
    reversed_by_place = reversed_by_place or [None] * len(runs)
    for changed, name, evaluation, reverse in zip(loaded, names, evaluations, reversed_by_place, strict=True):
        moves = instruction_moves(
            *(original, changed, before, after),
            reversed_run=reverse,
            relevance_level=relevance_level,
            max_docs=max_docs,
        )
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
        Evaluations by name: the runs' tags, or their files if two runs have the same tag.
    """
    loaded = [load_run(run) for run in runs]
    judged = _selected(load_qrels(qrels), topics, loaded)
    found = [
        _evaluate(run, judged, measures, relevance_level, max_docs, None, name=source)
        for source, run in zip(runs, loaded, strict=True)
    ]
    return dict(zip(_names(runs, [each.run_tag for each in found]), found, strict=True))


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
        note += f"; missing topics count as 0: {listed(found.missing)}"
    if found.unjudged:
        note += f"; {len(found.unjudged)} of its topics are not judged and are left out"
    log.log(logging.WARNING if found.missing or found.unjudged else logging.INFO, note)
    return found


def _selected(qrels: Qrels, topics: Any, runs: Sequence[Run]) -> Qrels:
    """Return the judgements of the topics that count."""
    if topics is None:
        return qrels
    if is_name(topics) and str(topics) == "run":
        kept = {qid: grades for qid, grades in qrels.items() if all(run.rankings.get(qid) for run in runs)}
        what = "there is no judged topic that all runs answer"
    else:
        wanted = {topic.qid for topic in load_topics(topics)}
        kept = {qid: grades for qid, grades in qrels.items() if qid in wanted}
        what = f"none of the {len(wanted)} topics is judged"
    if not kept:
        raise InputError(f"{what}: check that runs, `topics` and `qrels` belong together")
    if len(kept) < len(qrels):
        log.warning(f"evaluating {len(kept)} of {len(qrels)} judged topics: the others are not selected")
    return kept


def _names(sources: Sequence[Any], tags: Sequence[str]) -> list[str]:
    """Name runs by their tags, or, if two have the same, by their files or their positions."""
    if len(set(tags)) == len(tags):
        return list(tags)
    names = [str(source) if is_name(source) else tag for source, tag in zip(sources, tags, strict=True)]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({place})" for place, name in enumerate(names, start=1)]


def _same(run: Any, baseline: Any) -> bool:
    return run is baseline or (is_name(run) and is_name(baseline) and str(run) == str(baseline))
