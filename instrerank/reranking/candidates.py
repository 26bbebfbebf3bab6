"""Select the candidates to rerank from a first-stage run; the other documents are kept below them and counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from instrerank.collections import MissingPolicy
from instrerank.errors import InputError
from instrerank.trec import Run, ScoredDoc, Topic
from instrerank.trec.problems import counted, listed
from instrerank.trec.records import is_empty

EmptyPolicy = Literal["error", "score-last"]
"""What to do about a document that the collection has with an empty text: raise, or rank it last and count it."""


@dataclass(frozen=True)
class Candidates:
    """The candidates of one topic, in first-stage order.

    Attributes:
        topic: the query with its instruction.
        reranked: the documents with text among the first `hits`.
        below: the documents ranked below them: those without or with an empty text, and those after the first `hits`.
    """

    topic: Topic
    reranked: list[ScoredDoc]
    below: list[ScoredDoc]


@dataclass
class CandidateCounts:
    """Counts of candidates for the sidecar."""

    queries: int = 0
    candidates: int = 0
    below_depth: int = 0
    missing_texts: int = 0
    empty_texts: int = 0
    topics_without_candidates: list[str] = field(default_factory=list)
    qids_without_topic: int = 0


def without_excluded(
    first_stage: Run, excluded: Mapping[str, Collection[str]], topics: Sequence[Topic]
) -> tuple[Run, int]:
    """Return a first stage without the documents excluded for each topic, and how many those are.

    Raises:
        InputError: documents are excluded for a qid that neither the run nor the topics have.
    """
    known = {topic.qid for topic in topics} | set(first_stage.rankings)
    absent = [qid for qid in excluded if qid not in known]
    if absent:
        raise InputError(
            f"documents are excluded for {len(absent)} qids that neither the run nor the topics have: {listed(absent)}"
        )
    kept = {
        qid: [document for document in ranking if document.docid not in excluded.get(qid, ())]
        for qid, ranking in first_stage.rankings.items()
    }
    dropped = sum(len(first_stage.rankings[qid]) - len(kept[qid]) for qid in excluded if qid in kept)
    return Run(first_stage.tag, kept), dropped


def candidate_docids(first_stage: Run, hits: int) -> list[str]:
    """Return the distinct docids among the first `hits` of each topic: the passages that reranking needs."""
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
    empty: EmptyPolicy = "error",
) -> tuple[list[Candidates], CandidateCounts]:
    """Select the candidates of each topic, in the order of the topics.

    Topics may be a subset of those of the run; its other qids are left out and counted.

    Args:
        first_stage: rankings in trec_eval's order.
        topics: the queries.
        texts: passage text by docid.
        hits: number of candidates per topic to rerank.
        missing: "error"; or "skip" to rank candidates without text last and leave out topics without candidates, and
            count them.
        empty: "error": a candidate with an empty text is one without text; or "score-last" to rank it last, and count
            it apart.

    Raises:
        InputError: run and topics have no qid in common; or, with "error", a candidate without text or a topic without
            candidates.
    """
    queries = {topic.qid for topic in topics}
    unknown = [qid for qid in first_stage.rankings if qid not in queries]
    if len(unknown) == len(first_stage.rankings):
        raise InputError(
            f"run and topics have no qid in common: the run has {listed(unknown) or 'none'}; the topics have "
            f"{listed([topic.qid for topic in topics]) or 'none'}. Give the topics that the run was made with"
        )
    counts = CandidateCounts(qids_without_topic=len(unknown))
    selected = []
    without_text: dict[str, None] = {}
    for topic in topics:
        ranking = first_stage.rankings.get(topic.qid, [])
        if not ranking:
            counts.topics_without_candidates.append(topic.qid)
            continue
        within = ranking[:hits]
        textless = [document for document in within if is_empty(texts.get(document.docid, ""))]
        absent = {document.docid for document in textless}
        allowed = {docid for docid in absent if empty == "score-last" and docid in texts}
        reranked = [document for document in within if document.docid not in absent]
        without_text.update(dict.fromkeys(d.docid for d in textless if d.docid not in allowed))
        selected.append(Candidates(topic, reranked, textless + ranking[hits:]))
        counts.queries += 1
        counts.candidates += len(within)
        counts.below_depth += len(ranking) - len(within)
        counts.missing_texts += len(absent) - len(allowed)
        counts.empty_texts += len(allowed)
    if missing == "error":
        _raise_missing(counts, list(without_text), sum(docid in texts for docid in without_text), len(topics))
    return selected, counts


def _raise_missing(counts: CandidateCounts, without_text: list[str], empty: int, topics: int) -> None:
    if without_text:
        known = f", or with `empty` score-last the {empty} whose text is empty" if empty else ""
        raise InputError(
            f"no text for {counted(len(without_text), 'candidate')}: {listed(without_text)}; give the passages that "
            f"the run was retrieved from, or rank these candidates last with `missing` skip{known}"
        )
    absent = counts.topics_without_candidates
    if absent:
        raise InputError(
            f"{len(absent)} of {topics} topics have no candidates in the run: {listed(absent)}; give the run of these "
            f"topics, or leave out these topics with `missing` skip"
        )
