"""Scores of candidates: each distinct query and passage prepared once, then every candidate scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from instrerank.encoders.options import LoadOptions
from instrerank.encoders.scored import Query
from instrerank.errors import InputError
from instrerank.reranking.candidates import Candidates
from instrerank.reranking.fusion import Fusion, FusionMethod
from instrerank.reranking.scorer import Scorer
from instrerank.trec import Topic

Aggregation = Literal["max", "first", "mean"]


@dataclass(frozen=True)
class Windows:
    """How a passage longer than the model reads is cut, and how the pieces' scores become one.

    Attributes:
        length: tokens of a piece.
        stride: tokens from the start of one piece to that of the next.
        aggregation: `max` (MaxP), `first` (FirstP; Dai and Callan, SIGIR 2019) or `mean` of the pieces' scores.
    """

    length: int
    stride: int
    aggregation: Aggregation = "max"

    def __post_init__(self) -> None:
        """Raise InputError for a parameter out of its range."""
        if self.aggregation not in get_args(Aggregation):
            raise InputError(
                f"unknown `max_passage` {self.aggregation!r}. Available: {', '.join(get_args(Aggregation))}"
            )
        if not isinstance(self.stride, int) or self.stride < 1:
            raise InputError(f"`max_passage_stride` must be a whole number, at least 1; got {self.stride!r}")


def check_scoring(
    fusion: str, alpha: float, rrf_k: int, max_passage: str | None, max_passage_stride: int | None, load: LoadOptions
) -> None:
    """Prove that settings of a reranking go together, before anything is read.

    Raises:
        InputError: names the parameter, its value and what is allowed.
    """
    Fusion(cast(FusionMethod, fusion), alpha, rrf_k)
    if max_passage is not None:
        Windows(1, 1 if max_passage_stride is None else max_passage_stride, cast(Aggregation, max_passage))
    elif max_passage_stride is not None:
        raise InputError("`max_passage_stride` needs `max_passage`: max, first or mean")
    check_comparable(load.is_cascade, fusion, max_passage)


def check_comparable(best_only: bool, fusion: str, max_passage: object) -> None:
    """Prove that a scorer gives the scores that fusion and windows need.

    Raises:
        InputError: it makes only those of the best whole passages comparable.
    """
    if best_only and (fusion != "none" or max_passage is not None):
        raise InputError(
            "a cascade has float32 scores of the best whole passages only, but `fusion` and `max_passage` need others "
            "too: leave them out, or choose another `dtype`"
        )


@dataclass
class Scores:
    """What scoring gives, and what a sidecar has to say about it.

    Attributes:
        by_docid: for each topic the score of each candidate, float32 values.
        passages: distinct passages scored.
        pieces: distinct windows among them (as many as passages where none was cut).
        passages_truncated: docids of which the model did not see all.
        queries_truncated: qids of which it did not see all.
        pairs_truncated: pairs of which a pair scorer did not see all.
        details: what else the scorer records.
    """

    by_docid: list[dict[str, float]]
    passages: int
    pieces: int
    passages_truncated: list[str] = field(default_factory=list)
    queries_truncated: list[str] = field(default_factory=list)
    pairs_truncated: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class PreparedTexts:
    """Queries and passages as a scorer wants them, prepared once: any query set among them is scored at little cost.

    Attributes:
        windows: how the passages were cut.
        texts: what the scorer's `prepare` made of them.
        query_rows: by (query, instruction) its row there.
        passage_rows: by docid the rows of its pieces there.
    """

    windows: Windows | None
    texts: Any
    query_rows: Mapping[Query, int]
    passage_rows: Mapping[str, range]

    def __repr__(self) -> str:
        return f"PreparedTexts({len(self.query_rows)} queries, {len(self.passage_rows)} passages, {self.windows})"


def prepare_texts(
    topics: Sequence[Topic],
    texts: Mapping[str, str],
    scorer: Scorer,
    *,
    windows: Windows | None = None,
    progress: bool = False,
) -> PreparedTexts:
    """Prepare every distinct passage and every distinct pair of query and instruction once.

    Args:
        topics: of one query set or many.
        texts: passage text by docid.
        scorer: the model.
        windows: cut long passages; without, the model truncates them.
        progress: show a progress bar.

    Raises:
        InputError: an empty text.
    """
    query_rows = {query: row for row, query in enumerate(dict.fromkeys(map(_query, topics)))}
    passage_rows: dict[str, range] = {}
    pieces: list[str] = []
    for docid, parts in cut_passages(texts, scorer, windows).items():
        passage_rows[docid] = range(len(pieces), len(pieces) + len(parts))
        pieces += parts
    prepared = scorer.prepare(list(query_rows), pieces, progress=progress)
    return PreparedTexts(windows, prepared, query_rows, passage_rows)


def score_candidates(
    candidates: Sequence[Candidates],
    texts: Mapping[str, str],
    scorer: Scorer,
    *,
    windows: Windows | None = None,
    prepared: PreparedTexts | None = None,
    progress: bool = False,
) -> Scores:
    """Score every candidate of every topic.

    Args:
        candidates: per topic, from `select_candidates`.
        texts: passage text by docid, for every candidate.
        scorer: the model.
        windows: cut long passages; without, the model truncates them and they are counted.
        prepared: these topics and texts, with these windows, among others.
        progress: show a progress bar.

    Raises:
        InputError: an empty text, or a score that is not finite.
    """
    needed = {document.docid: texts[document.docid] for each in candidates for document in each.reranked}
    topics = [each.topic for each in candidates]
    prepared = prepared or prepare_texts(topics, needed, scorer, windows=windows, progress=progress)
    pieces = [[prepared.passage_rows[document.docid] for document in each.reranked] for each in candidates]
    scored = scorer.score(
        prepared.texts,
        [prepared.query_rows[_query(topic)] for topic in topics],
        [[row for rows in each for row in rows] for each in pieces],
        progress=progress,
    )
    aggregation = prepared.windows.aggregation if prepared.windows else "max"
    by_docid = []
    for each, rows, scores in zip(candidates, pieces, scored.scores, strict=True):
        whole = aggregate(scores, [len(one) for one in rows], aggregation).tolist()
        by_docid.append({document.docid: score for document, score in zip(each.reranked, whole, strict=True)})
    rows_of = {docid: prepared.passage_rows[docid] for docid in needed}
    cut = scored.passages_truncated
    return Scores(
        by_docid,
        passages=len(needed),
        pieces=sum(map(len, rows_of.values())),
        passages_truncated=[docid for docid, rows in rows_of.items() if cut[rows.start : rows.stop].any()],
        queries_truncated=[topic.qid for topic, cut in zip(topics, scored.queries_truncated, strict=True) if cut],
        pairs_truncated=scored.pairs_truncated,
        details=scored.details,
    )


def _query(topic: Topic) -> Query:
    return topic.text, topic.instruction


def cut_passages(texts: Mapping[str, str], scorer: Scorer, windows: Windows | None) -> dict[str, list[str]]:
    """Return the pieces of each passage that the scorer reads, by docid."""
    if windows is None:
        return {docid: [text] for docid, text in texts.items()}
    pieces = {docid: scorer.windows(text, windows.length, windows.stride) for docid, text in texts.items()}
    return {docid: parts[:1] for docid, parts in pieces.items()} if windows.aggregation == "first" else pieces


def aggregate(scores: NDArray[np.float32], counts: Sequence[int], aggregation: Aggregation) -> NDArray[np.float32]:
    """Return one score [n] for each passage from the scores of its pieces, [sum of counts] in passage order."""
    if not counts:
        return scores
    starts = np.cumsum([0, *counts[:-1]])
    if aggregation == "mean":
        return (np.add.reduceat(scores.astype(np.float64), starts) / counts).astype(np.float32)
    return np.maximum.reduceat(scores, starts)
