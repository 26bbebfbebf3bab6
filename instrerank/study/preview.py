"""What a study would do: its plan in a few lines, what it has to encode, and about how long that takes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from instrerank.encoders import LoadOptions
from instrerank.jobs.rerank import windows_of
from instrerank.reranking import Scorer
from instrerank.reranking.scoring import cut_passages
from instrerank.study.execution import load_scorer
from instrerank.study.first_stage import candidate_texts, first_stage_run, open_study_passages, readable
from instrerank.study.folder import is_complete
from instrerank.study.plan import Plan
from instrerank.study.settings import rerank_settings
from instrerank.trec.problems import counted

_SAMPLE = 32
"""Passages that are timed."""


def described(plan: Plan, folder: Path) -> list[str]:
    """Return the plan in lines: topics, query sets, runs, how many are complete, and notes on the topics."""
    configuration = plan.configuration
    done = sum(is_complete(folder / cell.path(configuration)) for cell in plan.cells)
    queries = {topic[1:] for cell in plan.cells for topic in plan.topics_of(cell.condition, cell.variation)}
    conditions = [condition for condition in plan.instructions if condition not in plan.prompts]
    prompts = f" and {counted(len(plan.prompts), 'prompt')}" if plan.prompts else ""
    return [
        f"{counted(len(plan.topics), 'topic')}, {counted(len(plan.variations), 'query set')}, "
        f"{counted(len(conditions), 'instruction condition')} ({', '.join(conditions)}){prompts}, "
        f"candidates: {' and '.join(configuration.candidates)}",
        f"{counted(len(plan.cells), 'run')}, {done} of them complete; "
        f"{counted(len(queries), 'distinct query')} to encode with each of "
        f"{counted(len(configuration.encoders), 'encoder')}",
        *plan.notes,
    ]


def to_encode(plan: Plan, folder: Path, store: str | Path | None = "default") -> Iterator[str]:
    """Yield how much each encoder has to encode or score and about how long it takes, from a timed sample.

    The encoders are loaded, so that errors show now.

    Raises:
        InputError: an encoder or the first stage cannot be loaded.
        MissingPrerequisiteError: a model is not available.
    """
    kept = LoadOptions(store=store).store_folder()
    runs = [first_stage_run(plan, folder, cell) for cell in plan.cells if cell.encoder is None]
    known = [run for run in runs if run is not None]
    texts = readable(candidate_texts(plan, known)) if known else {}
    unknown = len(runs) - len(known)
    if unknown:
        # as many passages as these runs can hold at most, which also are a sample to time
        depth = unknown * len(plan.topics) * plan.configuration.hits
        passages = itertools.islice(open_study_passages(plan.configuration), depth)
        texts = {passage.docid: passage.text for passage in passages if passage.text.strip()} | texts
        what = f"{counted(unknown, 'first-stage run')} yet to be searched"
        yield f"{what}: at most {counted(len(texts), 'passage')} in all"
    most = "up to " if unknown else ""
    for choice in plan.configuration.encoders:
        scorer = load_scorer(choice, kept)
        cells = [cell for cell in plan.cells if cell.encoder is choice]
        windows = windows_of(rerank_settings(plan, cells[0]), scorer)
        cut = cut_passages(texts, scorer, windows)
        pieces = list(dict.fromkeys(part for parts in cut.values() for part in parts))
        queries = {topic[1:] for cell in cells for topic in plan.topics_of(cell.condition, cell.variation)}
        stored = scorer.count_stored(pieces)
        if stored is None:
            each = sum(map(len, cut.values())) / max(1, len(cut))
            count = round(len(cells) * len(plan.topics) * min(plan.depth, len(texts)) * each)
            line = f"up to {counted(count, 'pair')} to score"
        else:
            count = len(pieces) - stored + len(queries)
            line = f"{most}{counted(len(pieces), 'distinct text')} of passages, {stored} of them in the store"
        yield f"{choice.name}: {line}{_duration(scorer, pieces, count, pairs=stored is None)}"


def _duration(scorer: Scorer, pieces: Sequence[str], count: int, *, pairs: bool) -> str:
    """Return about how long so many texts or pairs take, by a sample of passages: empty without any."""
    sample = pieces[:: max(1, len(pieces) // _SAMPLE)][:_SAMPLE]
    if not sample:
        return ""
    seconds = 0.0
    # once to warm up; passages as queries, which no store keeps
    for _ in range(2):
        started = time.perf_counter()
        if pairs:
            scorer.score(scorer.prepare([(sample[0], "")], sample), [0], [list(range(len(sample)))])
        else:
            scorer.prepare([(text, "") for text in sample], [])
        seconds = (time.perf_counter() - started) / len(sample) * count
    if seconds < 90:
        return f"; about {max(1, round(seconds))} s on {scorer.device}"
    return (
        f"; about {seconds / 60:.0f} min on {scorer.device}"
        if seconds < 5400
        else f"; about {seconds / 3600:.1f} h on {scorer.device}"
    )
