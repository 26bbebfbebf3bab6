"""Evaluation as jobs: runs and qrels by name or in memory, scored, compared and held against changed instructions."""

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
from instrerank.trec.runs import remove_query as without_query

log = logging.getLogger(__name__)


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
    remove_query: bool = False,
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
        remove_query: drop the document whose docid is the qid first, as for ArguAna, whose queries are documents.

    Returns:
        Means, values by topic, and which topics took no part.

    Raises:
        InputError: an unknown measure, no topic in common, or a run or qrels that cannot be read.
        MissingPrerequisiteError: as `instrerank.load_qrels`.
    """
    [loaded] = _load_runs([run], remove_query)
    judged = _selected(load_qrels(qrels), topics, [loaded])
    _note_level(judged, relevance_level, measures)
    return _evaluate(loaded, judged, measures, relevance_level, max_docs, name=run)


def compare(
    runs: Sequence[Any],
    qrels: Any,
    baseline: Any,
    measures: Sequence[str] = DEFAULT_MEASURES,
    *,
    relevance_level: int = 1,
    max_docs: int | None = None,
    topics: Any = None,
    remove_query: bool = False,
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
        remove_query: as for `evaluate`.
        correction: of the p values, over all rows: "holm" or "bonferroni".
        stability: add rows that say how alike the rankings are (overlap@10, rank-biased overlap, Kendall's tau).

    Returns:
        A row for each measure and run.

    Raises:
        InputError: as `evaluate`, or a measure that is no mean over topics.
        MissingPrerequisiteError: as `evaluate`.
    """
    sources = [baseline, *(run for run in runs if not _same(run, baseline))]
    loaded = _load_runs(sources, remove_query)
    judged = _selected(load_qrels(qrels), topics, loaded)
    _note_level(judged, relevance_level, measures)
    first, *others = (
        _evaluate(run, judged, measures, relevance_level, max_docs, name=source)
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
    original = run_under(load_run(baseline), "original")
    options = measures, relevance_level, max_docs
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
    remove_query: bool = False,
) -> dict[str, Evaluation]:
    """Score several runs over the same topics; arguments and errors as for `evaluate`.

    Returns:
        The evaluations by name: the runs' tags, or their files where two have the same.
    """
    loaded = _load_runs(runs, remove_query)
    judged = _selected(load_qrels(qrels), topics, loaded)
    _note_level(judged, relevance_level, measures)
    found = [
        _evaluate(run, judged, measures, relevance_level, max_docs, name=source)
        for source, run in zip(runs, loaded, strict=True)
    ]
    return dict(zip(_names(runs, [each.run_tag for each in found]), found, strict=True))


def _load_runs(sources: Sequence[Any], remove_query: bool) -> list[Run]:
    runs = [load_run(source) for source in sources]
    return [without_query(run) for run in runs] if remove_query else runs


def _note_level(qrels: Qrels, relevance_level: int, measures: Sequence[str]) -> None:
    names = [measures] if isinstance(measures, str) else measures
    note = measuring.relevance_level_note(qrels, relevance_level, names)
    if note:
        log.warning(note)


def _evaluate(
    run: Run, judged: Qrels, measures: Sequence[str], relevance_level: int, max_docs: int | None, *, name: Any
) -> Evaluation:
    """Evaluate one run, and log which topics took part."""
    found = measuring.evaluate(run, judged, measures, relevance_level=relevance_level, max_docs=max_docs)
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
