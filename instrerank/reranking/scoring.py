"""Scores of candidates: by a bi-encoder, each passage encoded once for all queries, or pair by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from instrerank.encoders import Encoder, PairScorer
from instrerank.errors import InputError
from instrerank.reranking.candidates import Candidates

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
    """

    by_docid: list[dict[str, float]]
    passages: int
    pieces: int
    passages_truncated: list[str] = field(default_factory=list)
    queries_truncated: list[str] = field(default_factory=list)
    pairs_truncated: int = 0


def score_candidates(
    candidates: Sequence[Candidates],
    texts: Mapping[str, str],
    scorer: Encoder | PairScorer,
    *,
    windows: Windows | None = None,
    progress: bool = False,
) -> Scores:
    """Score every candidate of every topic.

    Args:
        candidates: per topic, from `select_candidates`.
        texts: passage text by docid, for every candidate.
        scorer: a bi-encoder or a pair scorer.
        windows: cut long passages; without, the model truncates them and they are counted.
        progress: show a progress bar.

    Raises:
        InputError: an empty text, or a score that is not finite.
    """
    docids = list(dict.fromkeys(document.docid for each in candidates for document in each.reranked))
    pieces = {docid: _pieces(texts[docid], scorer, windows) for docid in docids}
    score = _score_pairs if isinstance(scorer, PairScorer) else _score_vectors
    return score(candidates, pieces, scorer, windows.aggregation if windows else "max", progress)  # type: ignore[arg-type]


def _pieces(text: str, scorer: Encoder | PairScorer, windows: Windows | None) -> list[str]:
    if windows is None:
        return [text]
    pieces = scorer.windows(text, windows.length, windows.stride)
    return pieces[:1] if windows.aggregation == "first" else pieces


def _score_vectors(
    candidates: Sequence[Candidates],
    pieces: Mapping[str, list[str]],
    encoder: Encoder,
    aggregation: Aggregation,
    progress: bool,
) -> Scores:
    first, count = {}, 0
    for docid, parts in pieces.items():
        first[docid] = count
        count += len(parts)
    passages = encoder.encode_passages([part for parts in pieces.values() for part in parts], progress=progress)
    topics = [each.topic for each in candidates]
    queries = encoder.encode_queries([topic.text for topic in topics], [topic.instruction for topic in topics])

    by_docid = []
    for each, query in zip(candidates, queries.vectors, strict=True):
        counts = [len(pieces[document.docid]) for document in each.reranked]
        rows = [
            first[document.docid] + part for document in each.reranked for part in range(len(pieces[document.docid]))
        ]
        scores = aggregate(dot_products(passages.vectors[rows], query), counts, aggregation)
        by_docid.append(_by_docid(each, scores))
    return Scores(
        by_docid,
        passages=len(pieces),
        pieces=count,
        passages_truncated=[
            docid
            for docid, parts in pieces.items()
            if passages.truncated[first[docid] : first[docid] + len(parts)].any()
        ],
        queries_truncated=[topic.qid for topic, cut in zip(topics, queries.truncated, strict=True) if cut],
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
    scores = _finite(scorer.score(pairs, progress=progress))
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


def dot_products(passages: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the float32 dot products of passages [n, d] with a query [d], summed in float64.

    The wide sum makes a score independent of what stands beside it: BLAS adds float32 in an order that depends
    on the shape of the whole product.

    Raises:
        InputError: a score is not finite: the vectors are broken.
    """
    return _finite((passages.astype(np.float64) @ query.astype(np.float64)).astype(np.float32))


def aggregate(scores: NDArray[np.float32], counts: Sequence[int], aggregation: Aggregation) -> NDArray[np.float32]:
    """Return one score [n] for each passage from the scores of its pieces, [sum of counts] in passage order."""
    if not counts:
        return scores
    starts = np.cumsum([0, *counts[:-1]])
    if aggregation == "mean":
        return (np.add.reduceat(scores.astype(np.float64), starts) / counts).astype(np.float32)
    return np.maximum.reduceat(scores, starts)


def _finite(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(scores).all():
        raise InputError("the model gives scores that are NaN or infinite: check its weights and its dtype")
    return scores
