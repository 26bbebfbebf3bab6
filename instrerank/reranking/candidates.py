"""From a first-stage run and topics to what is reranked: candidates with texts, the rest counted and kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from instrerank.errors import InputError
from instrerank.trec import Run, ScoredDoc, Topic
from instrerank.trec.problems import listed, own_documents
from instrerank.trec.records import is_empty

log = logging.getLogger(__name__)

MissingPolicy = Literal["error", "skip"]


@dataclass(frozen=True)
class Candidates:
    """The candidates of one topic, in first-stage order.

    Attributes:
        topic: the query with its instruction.
        reranked: the first `hits` documents that have a text.
        below: the documents that stay under them: those without a text and those below the depth.
    """

    topic: Topic
    reranked: list[ScoredDoc]
    below: list[ScoredDoc]


@dataclass
class CandidateCounts:
    """What a sidecar has to tell about the candidates."""

    queries: int = 0
    candidates: int = 0
    below_depth: int = 0
    missing_texts: int = 0
    topics_without_candidates: list[str] = field(default_factory=list)
    qids_without_topic: int = 0


def candidate_docids(first_stage: Run, hits: int) -> list[str]:
    """Return the distinct docids within the depth, in order of first appearance: the texts that reranking needs."""
    return list(
        dict.fromkeys(document.docid for ranking in first_stage.rankings.values() for document in ranking[:hits])
    )


def select_candidates(
    first_stage: Run,
    topics: Sequence[Topic],
    texts: Mapping[str, str],
    *,
    hits: int,
    missing: MissingPolicy = "error",
) -> tuple[list[Candidates], CandidateCounts]:
    """Bring run, topics and texts together, in the order of the topics.

    Args:
        first_stage: rankings in trec_eval's order.
        topics: the queries.
        texts: passage text by docid.
        hits: depth of reranking.
        missing: what to do about a candidate whose text is missing or blank, and about a topic without
            candidates: raise, or let such a candidate fall below the reranked ones, and count either.

    Topics may be a part of those that the run was made with: its other qids are left out, and counted.

    Raises:
        InputError: run and topics share no qid; with `error` also what `missing` says.
    """
    queries = {topic.qid for topic in topics}
    unknown = [qid for qid in first_stage.rankings if qid not in queries]
    if len(unknown) == len(first_stage.rankings):
        raise InputError(
            f"the run and the topics share no qid: the run has {listed(unknown) or 'none'}; the topics have "
            f"{listed([topic.qid for topic in topics]) or 'none'}. Give the topics that the run was made with"
        )
    own = own_documents(
        {qid: {document.docid for document in ranking} for qid, ranking in first_stage.rankings.items()}
    )
    if own:
        log.warning(f"the first stage: {own}")
    counts = CandidateCounts(qids_without_topic=len(unknown))
    selected = []
    without_text: dict[str, None] = {}
    for topic in topics:
        ranking = first_stage.rankings.get(topic.qid, [])
        if not ranking:
            counts.topics_without_candidates.append(topic.qid)
            continue
        within = ranking[:hits]
        reranked = [document for document in within if not is_empty(texts.get(document.docid, ""))]
        textless = [document for document in within if is_empty(texts.get(document.docid, ""))]
        without_text.update(dict.fromkeys(document.docid for document in textless))
        selected.append(Candidates(topic, reranked, textless + ranking[hits:]))
        counts.queries += 1
        counts.candidates += len(within)
        counts.below_depth += len(ranking) - len(within)
        counts.missing_texts += len(textless)
    if missing == "error":
        _raise_missing(counts, list(without_text), len(topics))
    return selected, counts


def _raise_missing(counts: CandidateCounts, without_text: list[str], topics: int) -> None:
    if without_text:
        raise InputError(
            f"{len(without_text)} candidate docids have no text or a blank one: {listed(without_text)}; "
            f"give the passages that the run was made from, or rank such candidates last with `missing` skip"
        )
    absent = counts.topics_without_candidates
    if absent:
        raise InputError(
            f"{len(absent)} of {topics} topics have no candidate in the run: {listed(absent)}; "
            f"give the run of these topics, or leave such topics out with `missing` skip"
        )
