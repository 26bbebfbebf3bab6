"""The queries with the largest losses, with their edits."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.files import parse_json, read_lines
from instrerank.study.configuration import System
from instrerank.study.report.edits import Segment, marked
from instrerank.study.report.reading import Sourced, Tables
from instrerank.study.rows import TopicScore, system

SHOWN = 5
"""Topics per system."""


class Loser(NamedTuple):
    """A topic that loses under a meaning-preserving perturbation.

    Attributes:
        clean: its score with the clean query.
        perturbed: its score with the worst of its perturbed queries.
        text: of the query with its edits marked; empty if the study's folder lacks the query set.
    """

    clean: Sourced[TopicScore]
    perturbed: Sourced[TopicScore]
    text: Sequence[Segment]


def worst(folder: Path, tables: Tables) -> dict[System, list[Loser]]:
    """Return, for each system, the topics with the largest losses by the first measure, each once, largest first.

    Args:
        folder: of the study; `topics/topics.<source>.<perturbation>.s<seed>.jsonl` are read from it.
        tables: of one mode.
    """
    clean = {(system(found.row), found.row.qid): found for found in tables.topics if found.row.perturbation == "clean"}
    losses: dict[tuple[System, str], tuple[float, Sourced[TopicScore]]] = {}
    for found in tables.topics:
        key = system(found.row), found.row.qid
        if found.row.perturbation in tables.invariant and key in clean:
            loss = clean[key].row.score - found.row.score
            if loss > losses.get(key, (0.0,))[0]:
                losses[key] = loss, found
    queries = functools.cache(functools.partial(_queries, folder / "topics"))
    losers: dict[System, list[Loser]] = {}
    for each in tables.systems:
        mine = sorted((-loss, qid) for (of, qid), (loss, _) in losses.items() if of == each)
        for _, qid in mine[:SHOWN]:
            perturbed = losses[each, qid][1]
            query = queries(perturbed.row.perturbation, perturbed.row.seed).get(qid)
            text = marked(query["original"], query["edits"]) if query else []
            losers.setdefault(each, []).append(Loser(clean[each, qid], perturbed, text))
    return losers


def _queries(folder: Path, perturbation: str, seed: int | None) -> dict[str, Any]:
    """Return the perturbed queries of one query set by qid."""
    records = [
        parse_json(line, f"{path}:{number}")
        for path in sorted(folder.glob(f"topics.*.{perturbation}.s{seed}.jsonl"))
        for number, line in read_lines(path)
    ]
    return {record["qid"]: record for record in records}
