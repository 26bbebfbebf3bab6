"""The queries that lose most, with what was done to them."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.study.report.edits import Segment, marked
from instrerank.study.report.reading import System, Tables, TopicScore, system

SHOWN = 5
"""So many topics of each system."""


class Loser(NamedTuple):
    """A topic that loses under a perturbation that should change nothing.

    Attributes:
        clean: its score with the clean query.
        perturbed: its score with the worst of its perturbed queries.
        text: of the query with its edits marked; empty where the study's folder has no such query set.
    """

    clean: TopicScore
    perturbed: TopicScore
    text: Sequence[Segment]


def worst(folder: Path, tables: Tables) -> dict[System, list[Loser]]:
    """Return, for each system, the topics with the largest loss by the first measure, each once, worst first.

    Args:
        folder: of the study; `topics/topics.<source>.<perturbation>.s<seed>.jsonl` are read from it.
        tables: of one mode.
    """
    clean = {(system(row), row.qid): row for row in tables.topics if row.perturbation == "clean"}
    losses: dict[tuple[System, str], tuple[float, TopicScore]] = {}
    for row in tables.topics:
        before = clean.get((system(row), row.qid))
        if row.perturbation not in tables.invariant or before is None or before.score is None or row.score is None:
            continue
        loss = before.score - row.score
        if loss > losses.get((system(row), row.qid), (0.0,))[0]:
            losses[system(row), row.qid] = loss, row
    queries = functools.cache(functools.partial(_queries, folder / "topics"))
    found: dict[System, list[Loser]] = {}
    for each in tables.systems:
        mine = [(-loss, qid, row) for (of, qid), (loss, row) in losses.items() if of == each]
        for _, qid, row in sorted(mine)[:SHOWN]:
            query = queries(row.perturbation, row.seed).get(qid)
            text = marked(query["original"], query["edits"]) if query else []
            found.setdefault(each, []).append(Loser(clean[each, qid], row, text))
    return found


def _queries(folder: Path, perturbation: str, seed: str) -> dict[str, Any]:
    """Return the perturbed queries of one query set by qid."""
    records = [
        json.loads(line)
        for path in sorted(folder.glob(f"topics.*.{perturbation}.s{seed}.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return {record["qid"]: record for record in records}
