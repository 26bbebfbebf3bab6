"""The page that compares runs of any systems: measures with their tests, and the topics that moved most."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import load_topics, open_passages
from instrerank.errors import InputError
from instrerank.evaluation.comparing import ComparedRun, compare_runs
from instrerank.files import is_stream, whole_file
from instrerank.jobs.evaluate import CompareSettings, Scored, run_names, scored
from instrerank.jobs.evaluation_tables import comparison_table
from instrerank.jobs.outputs import check_output
from instrerank.study.examples import Example, Side, texts_of, top_ten
from instrerank.study.report.rendering import render
from instrerank.trec import Topic
from instrerank.trec.problems import listed

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunsPageSettings(CompareSettings):
    """What the page of some runs shows.

    Attributes:
        passages: as `instrerank.open_passages` takes them; None: the page shows docids without texts.
        output: the page.
        overwrite: replace `output` if it exists.
        examples: topics that the page shows for each run beside the first, those that moved most.
    """

    passages: Any = None
    output: str | Path
    overwrite: bool = False
    examples: int = 10


class RunsPage(NamedTuple):
    """What `write_runs_page` returns.

    Attributes:
        path: of the page.
        rows: a row per measure and run beside the first.
        missing: number of documents on the page without text.
    """

    path: Path
    rows: list[ComparedRun]
    missing: int


def write_runs_page(runs: Sequence[Any], settings: RunsPageSettings) -> RunsPage:
    """Write one HTML page that compares runs with the first of them.

    Args:
        runs: two or more, as `instrerank.load_run` takes them; the first is the baseline.
        settings: `topics` gives the texts of the queries, and means are over its judged topics.

    Raises:
        InputError: fewer than two runs, no judged topic that all runs answer, `output` exists, or bad input.
        MissingPrerequisiteError: an input is not available.
    """
    if len(runs) < 2:
        raise InputError(
            f"`runs` must be at least 2, got {len(runs)}: the first is the one the others are compared with"
        )
    if settings.examples < 1:
        raise InputError(f"`examples` must be at least 1, got {settings.examples}")
    inputs = {"topics": settings.topics, "qrels": settings.qrels, "passages": settings.passages}
    output = check_output(settings.output, inputs | {f"run {place}": run for place, run in enumerate(runs, start=1)})
    if output.exists() and not settings.overwrite and not is_stream(output):
        raise InputError(f"{output} exists: choose another `output`, or replace it with `overwrite`")
    topics = {topic.qid: topic for topic in load_topics(settings.topics)}
    found = scored(runs, replace(settings, topics=list(topics.values())))
    names = run_names(runs, [each.run_tag for each in found.evaluations])
    answered = [qid for qid in found.judged if all(run.sizes.get(qid) for run in found.runs)]
    if not answered:
        counts = ", ".join(f"{name}: {len(run.sizes)}" for name, run in zip(names, found.runs, strict=True))
        raise InputError(
            f"no judged topic is answered by all runs (topics of {counts}): `runs` do not belong together"
        )
    first, *others = found.evaluations
    rows = compare_runs(dict(zip(names[1:], others, strict=True)), first, correction=settings.correction)
    examples = {
        name: list(_moved(found, names, place, topics, answered, settings))
        for place, name in enumerate(names[1:], start=1)
    }
    missing = _add_texts([each for some in examples.values() for each in some], settings.passages)
    page = render(
        "runs.html",
        names=names,
        sources=[str(run) if isinstance(run, str | Path) else "" for run in runs],
        evaluations=dict(zip(names, found.evaluations, strict=True)),
        topics=len(found.judged),
        unjudged_topics=len(topics) - len(found.judged),
        answered=len(answered),
        rows=rows,
        header=comparison_table(rows)[0],
        examples=examples,
        settings=settings,
        missing=missing,
    )
    with whole_file(output) as file:
        file.write(page)
    return RunsPage(output, rows, missing)


def _moved(
    found: Scored,
    names: Sequence[str],
    place: int,
    topics: dict[str, Topic],
    answered: Sequence[str],
    settings: RunsPageSettings,
) -> Iterator[Example]:
    """Yield the topics on which a run differs most from the first by the first measure."""
    before, after = (found.evaluations[each].per_query for each in (0, place))
    measure = next(iter(found.evaluations[0].means))
    change = {qid: after[qid][measure] - before[qid][measure] for qid in answered}
    for qid in sorted(answered, key=lambda qid: (-abs(change[qid]), qid))[: settings.examples]:
        docids = [[document.docid for document in found.runs[each].rankings[qid]] for each in (0, place)]
        first, second = (
            Side(
                names[each],
                *topics[qid][1:3],
                scores[qid][measure],
                top_ten(ranking, other, found.judged[qid], settings.relevance_level),
            )
            for each, scores, ranking, other in zip((0, place), (before, after), docids, reversed(docids), strict=True)
        )
        yield Example("run", "", "none", qid, measure, first, second)


def _add_texts(examples: Sequence[Example], passages: Any) -> int:
    """Add the passages to the examples, and return how many documents have none."""
    if passages is None:
        return 0
    shown = [
        {document.docid for side in (each.before, each.after) for document in side.documents} for each in examples
    ]
    docids = set().union(*shown)
    texts = texts_of(docids, open_passages(passages))
    for each, own in zip(examples, shown, strict=True):
        each.texts.update({docid: texts[docid] for docid in own & texts.keys()})
    missing = sorted(docid for docid in docids if not texts.get(docid))
    if missing:
        log.warning(f"{len(missing)} of {len(docids)} documents on the page have no text: {listed(missing)}")
    return len(missing)
