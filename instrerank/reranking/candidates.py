"""Select the candidates to rerank from a first-stage run; the other documents are kept below them and counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, overload

from instrerank.collections import MissingPolicy
from instrerank.collections.candidate_texts import CandidateTexts
from instrerank.errors import InputError
from instrerank.trec import Run, ScoredDoc, Topic
from instrerank.trec.columns import LazyRankings
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


class CandidateList(Sequence[Candidates]):
    """The candidates of topics, those of each made when they are asked for.

    Attributes:
        topics: the topics that have candidates.
    """

    def __init__(
        self, rankings: Mapping[str, list[ScoredDoc]], topics: list[Topic], hits: int, textless: Collection[str]
    ) -> None:
        """Take the first stage's rankings, topics among its qids, and the docids without or with an empty text."""
        self.topics = topics
        self._rankings, self._hits, self._textless = rankings, hits, textless

    def __repr__(self) -> str:
        """Return the size instead of all candidates."""
        return f"CandidateList({len(self)} topics)"

    def __len__(self) -> int:
        """Return the number of topics."""
        return len(self.topics)

    @overload
    def __getitem__(self, place: int) -> Candidates: ...
    @overload
    def __getitem__(self, place: slice) -> list[Candidates]: ...
    def __getitem__(self, place: int | slice) -> Candidates | list[Candidates]:
        """Return the candidates of a topic, or of several."""
        if isinstance(place, slice):
            return [self._of(topic) for topic in self.topics[place]]
        return self._of(self.topics[place])

    def _of(self, topic: Topic) -> Candidates:
        ranking = self._rankings[topic.qid]
        if not self._textless:
            return Candidates(topic, ranking[: self._hits], ranking[self._hits :])
        within = ranking[: self._hits]
        readable = [document for document in within if document.docid not in self._textless]
        textless = [document for document in within if document.docid in self._textless]
        return Candidates(topic, readable, textless + ranking[self._hits :])


@dataclass
class CandidateCounts:
    """Counts of candidates for the sidecar."""

    queries: int = 0
    instructed: int = 0
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
    sizes = dict(first_stage.sizes)
    for qid in set(excluded) & set(sizes):
        sizes[qid] = sum(document.docid not in excluded[qid] for document in first_stage.rankings[qid])
    dropped = sum(first_stage.sizes.values()) - sum(sizes.values())
    return Run(first_stage.tag, _Allowed(first_stage.rankings, sizes, excluded)), dropped


class _Allowed(LazyRankings):
    """Rankings without the documents excluded for each topic."""

    def __init__(
        self,
        rankings: Mapping[str, list[ScoredDoc]],
        sizes: Mapping[str, int],
        excluded: Mapping[str, Collection[str]],
    ) -> None:
        super().__init__(sizes)
        self._rankings, self._excluded = rankings, excluded

    def __getitem__(self, qid: str) -> list[ScoredDoc]:
        """Return the ranking of a topic."""
        ranking, excluded = self._rankings[qid], self._excluded.get(qid)
        return [document for document in ranking if document.docid not in excluded] if excluded else ranking


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
) -> tuple[CandidateList, CandidateCounts]:
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
    if unknown and len(unknown) == len(first_stage.rankings):
        raise InputError(
            f"run and topics have no qid in common: the run has {listed(unknown) or 'none'}; the topics have "
            f"{listed([topic.qid for topic in topics]) or 'none'}. Give the topics that the run was made with"
        )
    counts = CandidateCounts(qids_without_topic=len(unknown))
    selected = []
    textless: set[str] = set()
    without_text: dict[str, None] = {}
    for topic in topics:
        ranking = first_stage.rankings.get(topic.qid, [])
        if not ranking:
            counts.topics_without_candidates.append(topic.qid)
            continue
        within = ranking[:hits]
        absent = _without_text(within, texts)
        allowed = {docid for docid in absent if empty == "score-last" and docid in texts}
        textless.update(absent)
        without_text.update(dict.fromkeys(docid for docid in absent if docid not in allowed))
        selected.append(topic)
        counts.queries += 1
        counts.instructed += bool(topic.instruction)
        counts.candidates += len(within)
        counts.below_depth += len(ranking) - len(within)
        counts.missing_texts += len(absent) - len(allowed)
        counts.empty_texts += len(allowed)
    if missing == "error":
        _raise_missing(counts, list(without_text), sum(docid in texts for docid in without_text), len(topics))
    return CandidateList(first_stage.rankings, selected, hits, textless), counts


def _without_text(documents: Sequence[ScoredDoc], texts: Mapping[str, str]) -> dict[str, None]:
    """Return the docids without or with an empty text, in the order of the documents."""
    if isinstance(texts, CandidateTexts):  # which knows without reading them again
        absent = (d.docid for d in documents if d.docid not in texts or d.docid in texts.empty)
    else:
        absent = (d.docid for d in documents if is_empty(texts.get(d.docid, "")))
    return dict.fromkeys(absent)


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
