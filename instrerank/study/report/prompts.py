"""What a page says of a study's prompts: in sentences, and the mean of every prompt beside its text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from instrerank.study.prompts import PROMPT, read_prompts
from instrerank.study.query_files import PROMPTS
from instrerank.study.report.labels import measure_label, number
from instrerank.study.report.reading import Sourced, Tables
from instrerank.study.rows import CellMean, PromptPair, PromptSpread


class PromptMeans(NamedTuple):
    """The means of every prompt by one measure.

    Attributes:
        encoders: the columns.
        rows: by prompt: its id, its text (empty if it is not in topics/) and its cell by encoder.
    """

    encoders: list[str]
    rows: list[tuple[str, str, dict[str, Sourced[CellMean]]]]


def prompt_means(folder: Path, tables: Tables) -> PromptMeans | None:
    """Return the means of every prompt by the first measure; None without prompts.

    Raises:
        InputError: a broken file of prompts.
    """
    means: dict[str, dict[str, Sourced[CellMean]]] = {}
    for cell in tables.cells:
        if cell.row.instructions.startswith(PROMPT) and cell.row.measure == tables.measures[0]:
            means.setdefault(cell.row.instructions, {})[cell.row.encoder] = cell
    if not means:
        return None
    texts = read_prompts(folder / PROMPTS) if (folder / PROMPTS).is_file() else {}
    encoders = list(dict.fromkeys(encoder for cells in means.values() for encoder in cells))
    rows = [(name.removeprefix(PROMPT), texts.get(name, ""), cells) for name, cells in means.items()]
    return PromptMeans(encoders, rows)


def prompt_sentences(tables: Tables) -> Iterator[Markup]:
    """Yield the answer on prompts by the first measure: each pair of encoders, then each encoder."""
    pairs = [found for found in tables.prompt_pairs if found.row.measure == tables.measures[0]]
    yield from map(_pair, sorted(pairs, key=lambda found: not found.row.prompt_decides))
    yield from (_spread(found) for found in tables.prompts if found.row.measure == tables.measures[0])


def _pair(found: Sourced[PromptPair]) -> Markup:
    """Return whether one prompt decides which of two encoders scores higher, and by what this shows."""
    row = found.row
    ahead, behind = (row.encoder_a, row.encoder_b) if row.a_beats_b > 0.5 else (row.encoder_b, row.encoder_a)
    if row.prompt_decides:
        verdict = Markup("<strong>one prompt can decide whether {} or {} scores higher</strong>").format(
            row.encoder_a, row.encoder_b
        )
    elif row.low is None:
        verdict = Markup("{} and {} over prompts, with one topic").format(row.encoder_a, row.encoder_b)
    else:
        verdict = Markup("<strong>{} scores higher than {} over prompts</strong>").format(ahead, behind)
    interval = Markup()
    if row.low is not None:
        interval = Markup(" (95% CI {} to {}{})").format(
            *(number(found, "low"), number(found, "high")),
            ", which includes 0.5" if row.low <= 0.5 <= (row.high or 0) else "",
        )
    text = Markup("{}: {}. {} beats {} in {} of prompts × topics{}; its mean is higher under {} of {} prompts").format(
        *(measure_label(row.measure), verdict, row.encoder_a, row.encoder_b, number(found, "a_beats_b"), interval),
        *(number(found, "prompts_a"), number(found, "prompts")),
    )
    if row.default_differs is not None:
        text += Markup(", and with the default prompts {} against {}{}").format(
            *(number(found, "default_a"), number(found, "default_b")),
            Markup(": <strong>another order than under most prompts</strong>") if row.default_differs else "",
        )
    return text + "."


def _spread(found: Sourced[PromptSpread]) -> Markup:
    """Return how far an encoder's mean varies over prompts, and where its default prompt falls."""
    row = found.row
    text = Markup(
        "{}: <strong>{}</strong> goes from {} (prompt {}) to {} (prompt {}); mean {}, SD {} over {} prompts"
    ).format(
        *(measure_label(row.measure), row.encoder, number(found, "worst_mean"), row.worst),
        *(number(found, "best_mean"), row.best, number(found, "mean"), number(found, "sd"), number(found, "prompts")),
    )
    if row.percentile is not None:
        text += Markup("; its default prompt, {}, is at percentile {}").format(
            number(found, "default"), number(found, "percentile")
        )
    return text + "."
