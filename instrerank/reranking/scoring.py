"""Scores of candidates: by a bi-encoder, each passage encoded once for all queries, or pair by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from instrerank.encoders import Cascade, Encoded, Encoder, LoadOptions, PairScorer
from instrerank.encoders.cascade import CascadeScores
from instrerank.encoders.similarity import dot_products, finite
from instrerank.errors import InputError
from instrerank.reranking.candidates import Candidates
from instrerank.reranking.fusion import Fusion, FusionMethod
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
    if load.is_cascade and (fusion != "none" or max_passage is not None):
        raise InputError(
            "a cascade has float32 scores of the best whole passages only, but `fusion` and `max_passage` need others "
            "too: leave them out, or choose another `dtype`"
        )


@dataclass
class Scores:
    """What scoring gives, and what a sidecar has to tell about it.

    Attributes:
        by_docid: for each topic the score of each candidate, float32 values.
        passages: distinct passages scored.
        pieces: distinct windows among them (as many as passages where none was cut).
        passages_truncated: docids of which the model did not see all.
        queries_truncated: qids of which it did not see all.
        pairs_truncated: pairs of which a pair scorer did not see all.
        cascade: what a cascade did.
    """

    by_docid: list[dict[str, float]]
    passages: int
    pieces: int
    passages_truncated: list[str] = field(default_factory=list)
    queries_truncated: list[str] = field(default_factory=list)
    pairs_truncated: int = 0
    cascade: CascadeScores | None = None


@dataclass(frozen=True)
class EncodedTexts:
    """Passages and queries as vectors: any query set over them is scored without the model.

    Attributes:
        windows: how the passages were cut.
        passages: vectors of all pieces.
        rows: by docid the rows of its pieces in `passages`.
        queries: vectors of the queries.
        query_rows: by (query, instruction) its row in `queries`.
    """

    windows: Windows | None
    passages: Encoded
    rows: dict[str, range]
    queries: Encoded
    query_rows: dict[tuple[str, str], int]

    def with_queries(self, topics: Sequence[Topic], encoder: Encoder, *, progress: bool = False) -> EncodedTexts:
        """Return the same passages with other queries: each distinct pair of query and instruction once."""
        pairs = list(dict.fromkeys((topic.text, topic.instruction) for topic in topics))
        texts, instructions = [text for text, _ in pairs], [instruction for _, instruction in pairs]
        queries = encoder.encode_queries(texts, instructions, progress=progress)
        return replace(self, queries=queries, query_rows={pair: row for row, pair in enumerate(pairs)})


def encode_texts(
    topics: Sequence[Topic],
    texts: Mapping[str, str],
    encoder: Encoder,
    *,
    windows: Windows | None = None,
    progress: bool = False,
) -> EncodedTexts:
    """Encode every distinct passage and every distinct pair of query and instruction once.

    Args:
        topics: of one query set or many.
        texts: passage text by docid.
        encoder: the bi-encoder.
        windows: cut long passages; without, the model truncates them.
        progress: show a progress bar.

    Raises:
        InputError: an empty text.
    """
    rows: dict[str, range] = {}
    pieces: list[str] = []
    for docid, parts in cut_passages(texts, encoder, windows).items():
        rows[docid] = range(len(pieces), len(pieces) + len(parts))
        pieces += parts
    passages = encoder.encode_passages(pieces, progress=progress)
    encoded = EncodedTexts(windows, passages, rows, encoder.encode_queries([]), {})
    return encoded.with_queries(topics, encoder, progress=progress)


def score_candidates(
    candidates: Sequence[Candidates],
    texts: Mapping[str, str],
    scorer: Encoder | PairScorer | Cascade,
    *,
    windows: Windows | None = None,
    encoded: EncodedTexts | None = None,
    progress: bool = False,
) -> Scores:
    """Score every candidate of every topic.

    Args:
        candidates: per topic, from `select_candidates`.
        texts: passage text by docid, for every candidate.
        scorer: a bi-encoder, a pair scorer or a cascade.
        windows: cut long passages; without, the model truncates them and they are counted. Not for a cascade.
        encoded: what the bi-encoder made of these topics and texts, with these windows, among others.
        progress: show a progress bar.

    Raises:
        InputError: an empty text, or a score that is not finite.
    """
    needed = {document.docid: texts[document.docid] for each in candidates for document in each.reranked}
    if isinstance(scorer, PairScorer):
        pieces = cut_passages(needed, scorer, windows)
        return _score_pairs(candidates, pieces, scorer, _aggregation(windows), progress)
    if isinstance(scorer, Cascade):
        return _score_cascade(candidates, needed, scorer, progress)
    topics = [each.topic for each in candidates]
    encoded = encoded or encode_texts(topics, needed, scorer, windows=windows, progress=progress)
    return _score_vectors(candidates, list(needed), encoded)


def cut_passages(
    texts: Mapping[str, str], scorer: Encoder | PairScorer, windows: Windows | None
) -> dict[str, list[str]]:
    """Return the pieces of each passage that the scorer reads, by docid."""
    if windows is None:
        return {docid: [text] for docid, text in texts.items()}
    pieces = {docid: scorer.windows(text, windows.length, windows.stride) for docid, text in texts.items()}
    return {docid: parts[:1] for docid, parts in pieces.items()} if windows.aggregation == "first" else pieces


def _aggregation(windows: Windows | None) -> Aggregation:
    return windows.aggregation if windows else "max"


def _score_vectors(candidates: Sequence[Candidates], docids: Sequence[str], encoded: EncodedTexts) -> Scores:
    by_docid, queries_truncated = [], []
    for each in candidates:
        query = encoded.query_rows[each.topic.text, each.topic.instruction]
        pieces = [encoded.rows[document.docid] for document in each.reranked]
        rows = [row for part in pieces for row in part]
        scores = dot_products(encoded.passages.vectors[rows], encoded.queries.vectors[query])
        by_docid.append(_by_docid(each, aggregate(scores, list(map(len, pieces)), _aggregation(encoded.windows))))
        if encoded.queries.truncated[query]:
            queries_truncated.append(each.topic.qid)
    return Scores(
        by_docid,
        passages=len(docids),
        pieces=sum(len(encoded.rows[docid]) for docid in docids),
        passages_truncated=[docid for docid in docids if encoded.passages.truncated[list(encoded.rows[docid])].any()],
        queries_truncated=queries_truncated,
    )


def _score_cascade(
    candidates: Sequence[Candidates], texts: Mapping[str, str], cascade: Cascade, progress: bool
) -> Scores:
    topics = [each.topic for each in candidates]
    queries = cascade.exact.encode_queries([topic.text for topic in topics], [topic.instruction for topic in topics])
    place = {docid: at for at, docid in enumerate(texts)}
    places = [[place[document.docid] for document in each.reranked] for each in candidates]
    found = cascade.score(queries.vectors, list(texts.values()), places, progress=progress)
    return Scores(
        [_by_docid(each, scores) for each, scores in zip(candidates, found.scores, strict=True)],
        passages=len(texts),
        pieces=len(texts),
        passages_truncated=[docid for docid, cut in zip(texts, found.truncated, strict=True) if cut],
        queries_truncated=[topic.qid for topic, cut in zip(topics, queries.truncated, strict=True) if cut],
        cascade=found,
    )


def _score_pairs(
    candidates: Sequence[Candidates],
    pieces: Mapping[str, list[str]],
    scorer: PairScorer,
    aggregation: Aggregation,
    progress: bool,
) -> Scores:
    pairs = [
        (each.topic.text, each.topic.instruction, part)
        for each in candidates
        for document in each.reranked
        for part in pieces[document.docid]
    ]
    truncated_before = scorer.truncated
    scores = finite(scorer.score(pairs, progress=progress))
    by_docid, start = [], 0
    for each in candidates:
        counts = [len(pieces[document.docid]) for document in each.reranked]
        end = start + sum(counts)
        by_docid.append(_by_docid(each, aggregate(scores[start:end], counts, aggregation)))
        start = end
    return Scores(
        by_docid,
        passages=len(pieces),
        pieces=sum(map(len, pieces.values())),
        pairs_truncated=scorer.truncated - truncated_before,
    )


def _by_docid(candidates: Candidates, scores: NDArray[np.float32]) -> dict[str, float]:
    return {document.docid: score for document, score in zip(candidates.reranked, scores.tolist(), strict=True)}


def aggregate(scores: NDArray[np.float32], counts: Sequence[int], aggregation: Aggregation) -> NDArray[np.float32]:
    """Return one score [n] for each passage from the scores of its pieces, [sum of counts] in passage order."""
    if not counts:
        return scores
    starts = np.cumsum([0, *counts[:-1]])
    if aggregation == "mean":
        return (np.add.reduceat(scores.astype(np.float64), starts) / counts).astype(np.float32)
    return np.maximum.reduceat(scores, starts)
