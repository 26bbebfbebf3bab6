"""The evaluation jobs: score runs, compare them with a baseline, and measure how well they follow instructions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from instrerank.collections import load_qrels, load_run, load_topics, mteb_tasks
from instrerank.collections.loaded import is_name
from instrerank.errors import InputError
from instrerank.evaluation import measures as measuring
from instrerank.evaluation.benchmarks import BENCHMARKS, Benchmark, benchmark_scores
from instrerank.evaluation.comparing import ComparedRun, compare_runs, instruction_moves, stability_rows
from instrerank.evaluation.instructions import run_under, under_instructions
from instrerank.evaluation.measures import DEFAULT_MEASURES, Evaluation
from instrerank.evaluation.significance import Correction
from instrerank.jobs.settings import settings_of
from instrerank.trec import Qrels, Run
from instrerank.trec.problems import counted, listed
from instrerank.trec.runs import remove_query as without_query

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """How runs are scored.

    Attributes:
        qrels: as `instrerank.load_qrels` takes them.
        measures: names of trec_eval (`ndcg_cut.10`) or ir_measures (`nDCG@10`, `R(rel=2)@100`).
        relevance_level: least grade that counts as relevant, except for nDCG (trec_eval's `-l`).
        max_docs: cut every ranking to its first `max_docs` documents (trec_eval's `-M`).
        topics: average over these topics only, as `instrerank.load_topics` takes them; "run": over the judged topics
            that every run answers (trec_eval without `-c`).
        remove_query: drop the document whose docid is the qid first, as for ArguAna, whose queries are documents.
        benchmark: add the own measures of this benchmark (`instrerank.evaluation.benchmarks`); None: of the one whose
            mteb task `qrels` names, if any.
    """

    qrels: Any
    measures: str | Sequence[str] = DEFAULT_MEASURES
    relevance_level: int = 1
    max_docs: int | None = None
    topics: Any = None
    remove_query: bool = False
    benchmark: Benchmark | None = None


@dataclass(frozen=True, kw_only=True)
class CompareSettings(EvaluateSettings):
    """How runs are compared with a baseline.

    Attributes:
        correction: of the p values, over all rows: "holm" or "bonferroni".
        stability: add rows that say how alike the rankings are (overlap@10, rank-biased overlap, Kendall's tau).
    """

    correction: Correction = "holm"
    stability: bool = False


@dataclass(frozen=True, kw_only=True)
class InstructionSettings(EvaluateSettings):
    """How runs under changed instructions are compared with one under the original instructions.

    Attributes:
        changed_qrels: judgements under the changed instructions. FollowIR's qids (`310-og`, `310-changed`) are
            understood in runs and qrels.
        reversed_runs: for each run the one under the reversed instructions, which SICR and WISE need.
    """

    changed_qrels: Any
    reversed_runs: Sequence[Any] = ()


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


class Scored(NamedTuple):
    """Runs that are scored over the same topics.

    Attributes:
        runs: in the order given.
        judged: judgements of the topics that count.
        evaluations: of the runs.
    """

    runs: list[Run]
    judged: Qrels
    evaluations: list[Evaluation]


def evaluate(run: Any, qrels: Any, measures: str | Sequence[str] = DEFAULT_MEASURES, **settings: Any) -> Evaluation:
    """Score a run as trec_eval does, digit for digit, with every judged topic in the mean.

    Args:
        run: a run as `instrerank.load_run` takes it: a `Run`, a path, a mapping, a data frame, ir_measures' tuples.
        qrels: as `instrerank.load_qrels` takes them.
        measures: names of trec_eval (`ndcg_cut.10`) or ir_measures (`nDCG@10`, `R(rel=2)@100`).
        **settings: the other fields of `EvaluateSettings`.

    Returns:
        Means, values by topic, and which topics are missing or not judged.

    Raises:
        InputError: an unknown measure, no topic in common, or a run or qrels that cannot be read.
        MissingPrerequisiteError: as for `instrerank.load_qrels`.
    """
    [found] = evaluate_all([run], qrels, measures, **settings).values()
    return found


def evaluate_all(
    runs: Sequence[Any], qrels: Any, measures: str | Sequence[str] = DEFAULT_MEASURES, **settings: Any
) -> dict[str, Evaluation]:
    """Score several runs over the same topics; arguments and errors as for `evaluate`.

    Returns:
        The evaluations by name: the runs' tags, or their files where two have the same.
    """
    chosen = settings_of(EvaluateSettings, qrels=qrels, measures=measures, **settings)
    found = scored(runs, chosen).evaluations
    return dict(zip(run_names(runs, [each.run_tag for each in found]), found, strict=True))


def scored(runs: Sequence[Any], settings: EvaluateSettings) -> Scored:
    """Load and score runs; arguments and errors as for `evaluate`."""
    loaded = _load_runs(runs, settings)
    judged = _judged(settings, loaded)
    evaluations = [_evaluate(run, judged, settings, name) for name, run in zip(runs, loaded, strict=True)]
    benchmark = settings.benchmark or _benchmark_of(settings.qrels)
    if benchmark:
        own = [benchmark_scores(benchmark, run, judged, max_docs=settings.max_docs) for run in loaded]
        evaluations = [replace(found, benchmark=scores) for found, scores in zip(evaluations, own, strict=True)]
    return Scored(loaded, judged, evaluations)


def compare(
    runs: Sequence[Any],
    qrels: Any,
    baseline: Any,
    measures: str | Sequence[str] = DEFAULT_MEASURES,
    **settings: Any,
) -> list[ComparedRun]:
    """Compare runs with a baseline, topic by topic.

    Args:
        runs: runs as for `evaluate`; the baseline is left out if it is among them.
        qrels: as for `evaluate`.
        baseline: a run as for `evaluate`.
        measures: as for `evaluate`.
        **settings: the other fields of `CompareSettings` and `EvaluateSettings`.

    Returns:
        A row per measure and run.

    Raises:
        InputError: as `evaluate`, or a measure that is not a mean over topics.
        MissingPrerequisiteError: as `evaluate`.
    """
    chosen = settings_of(CompareSettings, qrels=qrels, measures=measures, **settings)
    sources = [baseline, *(run for run in runs if not _same(run, baseline))]
    loaded, judged, (first, *others) = scored(sources, chosen)
    names = run_names(sources[1:], [each.run_tag for each in others])
    rows = compare_runs(dict(zip(names, others, strict=True)), first, correction=chosen.correction)
    if chosen.stability:
        by_name = dict(zip(names, loaded[1:], strict=True))
        rows += stability_rows(by_name, loaded[0], judged, max_docs=chosen.max_docs)
    return rows


def compare_instructions(
    runs: Sequence[Any],
    qrels: Any,
    baseline: Any,
    changed_qrels: Any,
    measures: str | Sequence[str] = DEFAULT_MEASURES,
    **settings: Any,
) -> list[Followed]:
    """Measure how far runs under changed instructions follow the change.

    Args:
        runs: runs under the changed instructions.
        qrels: qrels under the original instructions.
        baseline: the run under the original instructions.
        changed_qrels: judgements under the changed ones.
        measures: as for `evaluate`.
        **settings: the other fields of `InstructionSettings` and `EvaluateSettings`.

    Returns:
        A row per run.

    Raises:
        InputError: as `evaluate`, or the number of reversed runs is not that of the runs.
        MissingPrerequisiteError: as `evaluate`.
    """
    given = {"qrels": qrels, "changed_qrels": changed_qrels, "measures": measures}
    chosen = settings_of(InstructionSettings, **given, **settings)
    if chosen.reversed_runs and len(chosen.reversed_runs) != len(runs):
        counts = f"got {counted(len(runs), 'run')} and {counted(len(chosen.reversed_runs), 'reversed run')}"
        raise InputError(f"each run needs its reversed run, in the same order; {counts}")
    before = under_instructions(load_qrels(qrels), "original")
    after = under_instructions(load_qrels(changed_qrels), "changed")
    [first_run] = _load_runs([baseline], chosen)
    original = run_under(first_run, "original")
    loaded = [run_under(run, "changed") for run in _load_runs(runs, chosen)]
    before, after = (_selected(judged, chosen.topics, [original, *loaded]) for judged in (before, after))
    first = _evaluate(original, before, chosen, baseline)
    evaluations = [_evaluate(run, after, chosen, name) for name, run in zip(runs, loaded, strict=True)]
    reversed_runs: Sequence[Run | None] = _load_runs(chosen.reversed_runs, chosen) or [None] * len(runs)
    rows = []
    names = run_names(runs, [each.run_tag for each in evaluations])
    for changed, name, evaluation, reverse in zip(loaded, names, evaluations, reversed_runs, strict=True):
        moves = instruction_moves(
            *(original, changed, before, after),
            reversed_run=reverse,
            relevance_level=chosen.relevance_level,
            max_docs=chosen.max_docs,
        )
        rows.append(Followed(name, dict(first.means), dict(evaluation.means), moves))
    return rows


def _load_runs(sources: Sequence[Any], settings: EvaluateSettings) -> list[Run]:
    runs = [load_run(source) for source in sources]
    return [without_query(run) for run in runs] if settings.remove_query else runs


def _judged(settings: EvaluateSettings, runs: Sequence[Run]) -> Qrels:
    """Return the judgements of the topics that count, and log what a user should know of their grades."""
    qrels = _selected(load_qrels(settings.qrels), settings.topics, runs)
    measures = [settings.measures] if isinstance(settings.measures, str) else settings.measures
    note = measuring.relevance_level_note(qrels, settings.relevance_level, measures)
    if note:
        log.warning(note)
    return qrels


def _evaluate(run: Run, judged: Qrels, settings: EvaluateSettings, name: Any) -> Evaluation:
    """Evaluate one run, and log which topics took part."""
    found = measuring.evaluate(
        run, judged, settings.measures, relevance_level=settings.relevance_level, max_docs=settings.max_docs
    )
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
        sizes = [run.sizes for run in runs]
        kept = {qid: grades for qid, grades in qrels.items() if all(each.get(qid) for each in sizes)}
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


def run_names(sources: Sequence[Any], tags: Sequence[str]) -> list[str]:
    """Name runs by their tags, or, if two have the same, by their files or their positions."""
    if len(set(tags)) == len(tags):
        return list(tags)
    names = [str(source) if is_name(source) else tag for source, tag in zip(sources, tags, strict=True)]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({place})" for place, name in enumerate(names, start=1)]


def _benchmark_of(qrels: Any) -> Benchmark | None:
    """Return the benchmark that a name of qrels belongs to."""
    if not is_name(qrels) or not str(qrels).startswith(mteb_tasks.PREFIX):
        return None
    return BENCHMARKS.get(mteb_tasks.task_name(str(qrels)))


def _same(run: Any, baseline: Any) -> bool:
    return run is baseline or (is_name(run) and is_name(baseline) and str(run) == str(baseline))
