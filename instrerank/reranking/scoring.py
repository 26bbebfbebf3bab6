"""Score candidates: prepare each distinct query and passage once, then score every candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from instrerank.collections.candidate_texts import CandidateTexts, TextsOf
from instrerank.encoders import BiEncoder
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.scored import Query
from instrerank.errors import InputError
from instrerank.files.spooled import SpooledTexts
from instrerank.reranking.candidates import Candidates
from instrerank.reranking.fusion import Fusion, FusionMethod
from instrerank.reranking.parts import score_in_groups, score_in_parts
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
        by_topic: float32 [candidates] for each topic, in the order of its `Candidates.reranked`.
        passages: number of distinct passages scored.
        pieces: number of windows of these passages (one per passage that was not split).
        passages_truncated: docids of truncated passages.
        queries_truncated: qids of truncated queries.
        pairs_truncated: number of pairs truncated by a pair scorer.
        details: further details from the scorer.
    """

    by_topic: list[NDArray[np.float32]]
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
    for docid, text in texts.items():
        parts = cut_passage(text, scorer, windows)
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

    Memory grows by 4 bytes for each score and each candidate; passages are on disk, and their vectors pass by in
    parts if the model is a bi-encoder and nothing is `prepared`.

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
    topics, docids, chosen = _numbered(candidates, texts)
    query_rows: Mapping[Query, int]
    if prepared is None:
        query_rows = {query: row for row, query in enumerate(dict.fromkeys(map(_query, topics)))}
        pieces, counts = _cut(docids, texts, scorer, windows)
        starts = np.cumsum(counts) - counts
    else:
        query_rows, windows = prepared.query_rows, prepared.windows
        spans = [prepared.passage_rows[docid] for docid in docids]
        starts = np.array([span.start for span in spans], np.int64)
        counts = np.array([len(span) for span in spans], np.int64)
    asked = [query_rows[_query(topic)] for topic in topics]
    rows = [_pieces_of(numbers, starts, counts) for numbers in chosen]
    if prepared is not None:
        scored = score_in_groups(scorer, prepared.texts, asked, rows, progress=progress)
    elif isinstance(scorer, BiEncoder):
        scored = score_in_parts(scorer, list(query_rows), pieces, asked, rows, progress=progress)
    else:
        held = scorer.prepare(list(query_rows), pieces, progress=progress)
        scored = score_in_groups(scorer, held, asked, rows, progress=progress)
    aggregation = windows.aggregation if windows else "max"
    cut = np.concatenate([[0], np.cumsum(scored.passages_truncated)])
    return Scores(
        [
            aggregate(scores, counts[numbers], aggregation)
            for scores, numbers in zip(scored.scores, chosen, strict=True)
        ],
        passages=len(docids),
        pieces=int(counts.sum()),
        passages_truncated=[docids[at] for at in np.flatnonzero(cut[starts + counts] > cut[starts]).tolist()],
        queries_truncated=[topic.qid for topic, cut in zip(topics, scored.queries_truncated, strict=True) if cut],
        pairs_truncated=scored.pairs_truncated,
        details=scored.details,
    )


def _query(topic: Topic) -> Query:
    return topic.text, topic.instruction


def _numbered(
    candidates: Sequence[Candidates], texts: Mapping[str, str]
) -> tuple[list[Topic], list[str], list[NDArray[np.int32]]]:
    """Return the topics, the distinct docids in order of appearance, and the numbers of each topic's candidates."""
    topics: list[Topic] = []
    chosen: list[NDArray[np.int32]] = []
    known: dict[str, int] = {}
    # where docids are numbered already, they are not held twice
    given = texts.numbers if isinstance(texts, CandidateTexts) else None
    for each in candidates:
        topics.append(each.topic)
        docids = [document.docid for document in each.reranked]
        numbers = [known.setdefault(d, len(known)) for d in docids] if given is None else [given[d] for d in docids]
        chosen.append(np.array(numbers, np.int32))
    names = list(known if given is None else given)
    used, first = np.unique(np.concatenate([np.empty(0, np.int32), *chosen]), return_index=True)
    used = used[np.argsort(first)]
    place = np.empty(len(names), np.int32)
    place[used] = np.arange(len(used))
    return topics, [names[number] for number in used.tolist()], [place[numbers] for numbers in chosen]


def _cut(
    docids: Sequence[str], texts: Mapping[str, str], scorer: Scorer, windows: Windows | None
) -> tuple[Sequence[str], NDArray[np.int64]]:
    """Return the pieces of passages, one passage after another, and int64 [passages] how many each has."""
    if windows is None:
        return TextsOf(docids, texts), np.ones(len(docids), np.int64)
    pieces, counts = SpooledTexts(), np.zeros(len(docids), np.int64)
    for number, docid in enumerate(docids):
        parts = cut_passage(texts[docid], scorer, windows)
        counts[number] = len(parts)
        for part in parts:
            pieces.append(part)
    return pieces, counts


def _pieces_of(numbers: NDArray[np.int32], starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the rows of the pieces of some passages, one passage after another."""
    lengths = counts[numbers]
    ends = np.cumsum(lengths)
    rows = np.arange(lengths.sum()) + np.repeat(starts[numbers] - (ends - lengths), lengths)
    return np.asarray(rows, np.int32)


def cut_passages(texts: Mapping[str, str], scorer: Scorer, windows: Windows | None) -> dict[str, list[str]]:
    """Return the windows of each passage that the scorer reads, by docid."""
    return {docid: cut_passage(text, scorer, windows) for docid, text in texts.items()}


def cut_passage(text: str, scorer: Scorer, windows: Windows | None) -> list[str]:
    """Return the windows of a passage that the scorer reads."""
    if windows is None:
        return [text]
    parts = scorer.windows(text, windows.length, windows.stride)
    return parts[:1] if windows.aggregation == "first" else parts


def aggregate(
    scores: NDArray[np.float32], counts: Sequence[int] | NDArray[np.int64], aggregation: Aggregation
) -> NDArray[np.float32]:
    """Return one score [n] per passage from the scores of its windows, [sum of counts] in passage order."""
    lengths = np.asarray(counts, np.int64)
    if (lengths == 1).all():
        return scores
    starts = np.cumsum(lengths) - lengths
    if aggregation == "mean":
        return (np.add.reduceat(scores.astype(np.float64), starts) / lengths).astype(np.float32)
    return np.maximum.reduceat(scores, starts)
