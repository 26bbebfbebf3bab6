"""Documents that may not be retrieved for a topic (BRIGHT's excluded ids): left out of a search, and counted."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from instrerank.collections import load_excluded, mteb_data
from instrerank.errors import InputError
from instrerank.jobs.described import described_source
from instrerank.reranking.candidates import without_excluded
from instrerank.trec import Run, Topic
from instrerank.trec.problems import counted, listed
from instrerank.trec.runs import cut_run

log = logging.getLogger(__name__)


def excluded_documents(source: Any, topics: Sequence[Topic]) -> dict[str, set[str]]:
    """Return the documents that may not be retrieved, by qid.

    Args:
        source: as `instrerank.collections.load_excluded` takes it.
        topics: all topics.

    Raises:
        InputError: documents are excluded for a qid that is not a topic's; or as `load_excluded`.
    """
    found = load_excluded(source)
    known = {topic.qid for topic in topics}
    absent = [qid for qid in found if qid not in known]
    if absent:
        what = counted(len(absent), "qid")
        raise InputError(f"documents are excluded for {what} that the topics do not have: {listed(absent)}")
    return found


def described_excluded(source: Any, excluded: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Return what identifies excluded documents in a sidecar."""
    return described_source(source, {qid: sorted(docids) for qid, docids in excluded.items()})


def search_without(
    searcher: Any, topics: Sequence[Topic], excluded: Mapping[str, Collection[str]], hits: int, *, threads: int = 1
) -> tuple[Run, int]:
    """Search topics, leaving out the documents excluded for each; the next ones take their places.

    Args:
        searcher: BM25.
        topics: to search.
        excluded: docids by qid; those of other qids are ignored.
        hits: number of documents per topic.
        threads: number of Java threads.

    Returns:
        The run, and how many excluded documents it would have had.
    """
    excluded = {topic.qid: excluded[topic.qid] for topic in topics if topic.qid in excluded}
    run = Run("Anserini", searcher.batch_search(topics, depth_with(hits, excluded), threads))
    return without(run, topics, excluded, hits)


def depth_with(hits: int, excluded: Mapping[str, Collection[str]]) -> int:
    """Return how many documents to search for, so that `hits` are left without the excluded ones."""
    return hits + max(map(len, excluded.values()), default=0)


def without(run: Run, topics: Sequence[Topic], excluded: Mapping[str, Collection[str]], hits: int) -> tuple[Run, int]:
    """Return the first `hits` documents that are not excluded, and how many of the first `hits` are."""
    if not excluded:
        return run, 0
    dropped = _count_excluded(cut_run(run, hits), excluded)
    return cut_run(without_excluded(run, excluded, topics)[0], hits), dropped


def warn_of_excluded(run: Run, name: str) -> None:
    """Warn if a run has documents that the task of its topics excludes."""
    if not mteb_data.excludes(name):
        return
    found = _count_excluded(run, load_excluded(name))
    if found:
        what = f"{counted(found, 'document')} among the results"
        log.warning(f"{what} may not be retrieved by {name}: give `exclude` {name} to leave them out")


def _count_excluded(run: Run, excluded: Mapping[str, Collection[str]]) -> int:
    return sum(each.docid in excluded.get(qid, ()) for qid, ranking in run.rankings.items() for each in ranking)
