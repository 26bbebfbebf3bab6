"""Scoring in bounded memory: a bi-encoder part by part of the passages, other models group by group of topics."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instrerank.encoders.biencoder import BiEncoder, Vectors
from instrerank.encoders.encoder import TEXTS_AT_ONCE
from instrerank.encoders.scored import Query, Scored
from instrerank.reranking.scorer import Scorer

_PAIRS_AT_ONCE = 100_000
"""Pairs of query and passage that are scored together."""


def score_in_parts(
    encoder: BiEncoder,
    queries: Sequence[Query],
    passages: Sequence[str],
    asked: Sequence[int],
    candidates: Sequence[NDArray[np.int32]],
    *,
    progress: bool = False,
) -> Scored:
    """Encode passages in parts, and score with each part all pairs that it is in, so that no vector is held longer.

    Parts are those in which `Encoder.encode_passages` encodes, so that vectors are the same to the bit as in one call.

    Args:
        encoder: the model.
        queries: distinct queries with their instructions.
        passages: passages, which are read again one part at a time.
        asked: for each of n topics the row of its query.
        candidates: for each topic the rows of its candidates among the passages.
        progress: show a progress bar for each part.

    Raises:
        InputError: an empty text, or a score that is not finite.
    """
    first, number = distinct(passages)
    texts, instructions = [text for text, _ in queries], [instruction for _, instruction in queries]
    asking = encoder.encode_queries(texts, instructions, progress=progress)
    wanted = number[np.concatenate([np.empty(0, np.int32), *candidates])]
    bounds = np.cumsum([0, *map(len, candidates)])
    scores, truncated = np.empty(len(wanted), np.float32), np.zeros(len(first), bool)
    for start in range(0, len(first), TEXTS_AT_ONCE):
        part = slice(start, start + TEXTS_AT_ONCE)
        encoded = encoder.encode_passages([passages[row] for row in first[part].tolist()], progress=progress)
        truncated[part] = encoded.truncated
        pairs = np.flatnonzero((wanted >= part.start) & (wanted < part.stop))
        ends = np.searchsorted(pairs, bounds)
        topics = np.flatnonzero(np.diff(ends)).tolist()
        vectors = Vectors(asking, encoded)
        for topic in topics:
            places = pairs[ends[topic] : ends[topic + 1]]
            [scores[places]] = encoder.score(vectors, [asked[topic]], [(wanted[places] - start).tolist()]).scores
        del encoded, vectors  # before the next part is encoded
    of_topics = np.split(scores, bounds[1:-1])[: len(candidates)]
    return Scored(of_topics, asking.truncated[np.asarray(asked, np.int64)], truncated[number])


def score_in_groups(
    scorer: Scorer,
    prepared: Any,
    asked: Sequence[int],
    candidates: Sequence[NDArray[np.int32]],
    *,
    progress: bool = False,
) -> Scored:
    """Score group by group of topics, but all at once with a scorer that compares all (`best_only`).

    Args:
        scorer: the model.
        prepared: from its `prepare`.
        asked: for each of n topics the row of its query.
        candidates: for each topic the rows of its candidates among the passages.
        progress: show a progress bar for each group.

    Raises:
        InputError: a score that is not finite.
    """
    groups = [range(len(candidates))] if scorer.best_only else list(_groups([len(each) for each in candidates]))
    found = [
        scorer.score(
            prepared,
            [asked[topic] for topic in group],
            [candidates[topic].tolist() for topic in group],
            progress=progress,
        )
        for group in groups
    ]
    if len(found) == 1:
        return found[0]
    return dataclasses.replace(
        found[0],
        scores=[scores for scored in found for scores in scored.scores],
        queries_truncated=np.concatenate([scored.queries_truncated for scored in found]),
        passages_truncated=np.logical_or.reduce([scored.passages_truncated for scored in found]),
        pairs_truncated=sum(scored.pairs_truncated for scored in found),
    )


def _groups(sizes: Sequence[int]) -> Iterator[range]:
    """Yield ranges of topics with at most `_PAIRS_AT_ONCE` pairs together, or of one topic; at least one range."""
    start = pairs = 0
    for topic, size in enumerate(sizes):
        if pairs and pairs + size > _PAIRS_AT_ONCE:
            yield range(start, topic)
            start, pairs = topic, 0
        pairs += size
    yield range(start, len(sizes))


def distinct(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the distinct of n texts in order of appearance; in memory are only digests.

    Returns:
        int64 [distinct], the row of each distinct text where it is first, and int64 [n], the number of each text.
    """
    digests = bytearray()
    for text in texts:
        digests += hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    # equal lengths: that numpy ignores zero bytes at the end is of no consequence
    _, first, inverse = np.unique(np.frombuffer(digests, "S16"), return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(first), np.int64)
    number[order] = np.arange(len(first))
    return first[order], number[inverse]
