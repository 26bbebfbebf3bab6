"""What a study would do: its plan in a few lines, and what is still to be encoded (`--dry-run`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from instrerank.encoders import LoadOptions
from instrerank.jobs.rerank import windows_of
from instrerank.reranking.scoring import cut_passages
from instrerank.study.execution import load_scorer
from instrerank.study.first_stage import candidate_texts, first_stage_run
from instrerank.study.folder import is_complete
from instrerank.study.plan import Plan
from instrerank.study.settings import rerank_settings


def described(plan: Plan, folder: Path) -> list[str]:
    """Return the plan in lines: topics, query sets, runs, what is there already, and notes on the topics."""
    configuration = plan.configuration
    done = sum(is_complete(folder / cell.path(configuration)) for cell in plan.cells)
    queries = {topic[1:] for cell in plan.cells for topic in plan.topics_of(cell.condition, cell.variation)}
    return [
        f"{len(plan.topics)} topics, {len(plan.variations)} query sets, {len(plan.instructions)} conditions "
        f"({', '.join(plan.instructions)}), candidates {' and '.join(configuration.candidates)}",
        f"{len(plan.cells)} runs, {done} of them there; "
        f"{len(queries)} distinct queries to encode for each of {len(configuration.encoders)} encoders",
        *plan.notes,
    ]


def to_encode(plan: Plan, folder: Path, store: str | Path | None = "default") -> Iterator[str]:
    """Yield how many passages each encoder has to read; loads the encoders, so that what is wrong shows now.

    Raises:
        InputError: an encoder or the first stage that is not to be loaded.
        MissingPrerequisiteError: a model that cannot be reached.
    """
    kept = LoadOptions(store=store).store_folder()
    runs = [first_stage_run(plan, folder, cell) for cell in plan.cells if cell.encoder is None]
    known = [run for run in runs if run is not None]
    texts = candidate_texts(plan, known) if known else {}
    if len(known) < len(runs):
        yield f"{len(runs) - len(known)} first-stage runs are still to be searched: what they find comes on top"
    for choice in plan.configuration.encoders:
        scorer = load_scorer(choice, kept)
        cell = next(cell for cell in plan.cells if cell.encoder is choice)
        windows = windows_of(rerank_settings(plan, cell), scorer)
        pieces = {part for parts in cut_passages(texts, scorer, windows).values() for part in parts}
        stored = scorer.count_stored(list(pieces))
        where = "" if stored is None else f", {stored} of them in the store"
        yield f"{choice.name}: {len(pieces)} distinct texts of passages{where}"
