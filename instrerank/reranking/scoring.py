"""Score candidates: prepare each distinct query and passage once, then score every candidate."""

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
    """How to split a long passage into windows, and how to aggregate their scores.

    Attributes:
        length: maximum tokens of a window.
        stride: tokens between the starts of windows.
        aggregation: "max" (MaxP), "first" (FirstP; Dai and Callan, SIGIR 2019) or "mean" of the windows' scores.
    """

    length: int
    stride: int
    aggregation: Aggregation = "max"

    def __post_init__(self) -> None:
        """Raise InputError for a parameter out of range."""
        if self.aggregation not in get_args(Aggregation):
            raise InputError(
                f"unknown `max_passage` {self.aggregation!r}. Available: {', '.join(get_args(Aggregation))}"
            )
        if not isinstance(self.stride, int) or self.stride < 1:
            raise InputError(f"`max_passage_stride` must be a whole number of at least 1, got {self.stride!r}")


def check_scoring(
    fusion: str, alpha: float, rrf_k: int, max_passage: str | None, max_passage_stride: int | None, load: LoadOptions
) -> None:
    """Check the settings of a reranking before anything is read.

    Raises:
        InputError: invalid settings; the message names the parameter, its value and what is allowed.
    """
    Fusion(cast(FusionMethod, fusion), alpha, rrf_k)
    if max_passage is not None:
        Windows(1, 1 if max_passage_stride is None else max_passage_stride, cast(Aggregation, max_passage))
    elif max_passage_stride is not None:
        raise InputError("`max_passage_stride` needs `max_passage`: max, first or mean")
    check_comparable(load.is_cascade, fusion, max_passage)


def check_comparable(best_only: bool, fusion: str, max_passage: object) -> None:
    """Check that a scorer's scores can be used for fusion and windows.

    Raises:
        InputError: only the scores of its best whole passages are comparable.
    """
    if best_only and (fusion != "none" or max_passage is not None):
        raise InputError(
            "`fusion` and `max_passage` need exact scores of all candidates, but a cascade has them only for the best "
            "passages: leave them out, or choose another `dtype`"
        )


@dataclass
class Scores:
    """Scores of candidates, with counts for the sidecar.

    Attributes:
        by_docid: for each topic the score of each candidate, float32 values.
        passages: number of distinct passages scored.
        pieces: number of windows of these passages (one per passage that was not split).
        passages_truncated: docids of truncated passages.
        queries_truncated: qids of truncated queries.
        pairs_truncated: number of pairs truncated by a pair scorer.
        details: further details from the scorer.
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
    """Queries and passages prepared by a scorer once, so that any query set among them is cheap to score.

    Attributes:
        windows: how the passages were split.
        texts: result of the scorer's `prepare`.
        query_rows: row in `texts` by (query, instruction).
        passage_rows: rows of a passage's windows in `texts` by docid.
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
        topics: topics of one or more query sets.
        texts: passage text by docid.
        scorer: the model.
        windows: how to split long passages (default: truncate them).
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
        candidates: candidates per topic, from `select_candidates`.
        texts: passage text by docid, for every candidate.
        scorer: the model.
        windows: how to split long passages (default: truncate and count them).
        prepared: result of `prepare_texts` for these topics, texts and windows, possibly among others.
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
    """Return the windows of each passage that the scorer reads, by docid."""
    if windows is None:
        return {docid: [text] for docid, text in texts.items()}
    pieces = {docid: scorer.windows(text, windows.length, windows.stride) for docid, text in texts.items()}
    return {docid: parts[:1] for docid, parts in pieces.items()} if windows.aggregation == "first" else pieces


def aggregate(scores: NDArray[np.float32], counts: Sequence[int], aggregation: Aggregation) -> NDArray[np.float32]:
    """Return one score [n] per passage from the scores of its windows, [sum of counts] in passage order."""
    if not counts:
        return scores
    starts = np.cumsum([0, *counts[:-1]])
    if aggregation == "mean":
        return (np.add.reduceat(scores.astype(np.float64), starts) / counts).astype(np.float32)
    return np.maximum.reduceat(scores, starts)
