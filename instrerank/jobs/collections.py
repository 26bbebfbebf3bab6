"""The job `collections`: the names of collections that topics, qrels, runs and passages can be given by."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

from instrerank.collections import load_topics, open_passages
from instrerank.collections.irds import irds_catalogue
from instrerank.collections.mteb_tasks import PREFIX, retrieval_tasks, task_facts
from instrerank.errors import InputError, MissingPrerequisiteError

log = logging.getLogger(__name__)


class Collection(NamedTuple):
    """A collection by its name, as its library describes it; nothing is downloaded.

    Attributes:
        name: `pocket`, `mteb:TASK[/SUBSET][/SPLIT]` or `irds:ID`.
        topics: number of topics; 0: it has none; None: it has some, the number is unknown.
        passages: number of passages; 0 and None as for `topics`.
        qrels: whether it has judgements.
        instructions: whether its topics have instructions, or narratives that serve as such.
        changed: whether `NAME:changed` has other instructions, with judgements of their own.
        candidates: largest number of candidates of a topic; 0: it has none; None: it has some, the number is unknown.
        measure: the measure that its leaderboard shows, by mteb's name; "" if none is known.
    """

    name: str
    topics: int | None
    passages: int | None
    qrels: bool
    instructions: bool
    changed: bool
    candidates: int | None
    measure: str


def list_collections(word: str = "") -> list[Collection]:
    """List the collections that can be named: `pocket`, mteb's tasks and ir_datasets' ids.

    Pyserini's names are left out: only Pyserini, with Java or a network, knows them.

    Args:
        word: list only names that contain this, ignoring case.

    Raises:
        InputError: no name contains `word`.
    """
    found = [each for each in _all() if word.lower() in each.name.lower()]
    if not found:
        raise InputError(f"no collection has {word!r} in its name")
    return found


def _all() -> Iterator[Collection]:
    for catalogue in (_pocket, _mteb, _irds):
        try:
            yield from catalogue()
        except MissingPrerequisiteError as error:
            log.warning(f"not listed: {error}")


def _pocket() -> Iterator[Collection]:
    passages = sum(1 for _ in open_passages("pocket"))
    yield Collection("pocket", len(load_topics("pocket")), passages, True, True, True, 0, "")


def _mteb() -> Iterator[Collection]:
    for name, task in retrieval_tasks().items():
        subsets, splits = list(task.hf_subsets), list(task.eval_splits)
        for subset in subsets:
            for split in splits:
                parts = [name, *([subset] if len(subsets) > 1 else []), *([split] if len(splits) > 1 else [])]
                facts = task_facts(task, subset, split)
                yield Collection(
                    PREFIX + "/".join(parts),
                    facts.topics,
                    facts.passages,
                    True,
                    facts.instructions,
                    facts.changed,
                    facts.candidates if facts.reranking else 0,
                    task.metadata.main_score,
                )


def _irds() -> Iterator[Collection]:
    for name, topics, passages, qrels, narratives, candidates in irds_catalogue():
        yield Collection(name, topics, passages, qrels, narratives, False, candidates, "")
