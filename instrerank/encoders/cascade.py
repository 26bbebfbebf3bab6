"""A precision cascade: all passages in low precision, float32 for those that could still be among the k best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from instrerank.encoders.encoder import Encoder
from instrerank.encoders.similarity import dot_products
from instrerank.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SAMPLE = 64
"""Passages encoded in both precisions to see how far their scores lie apart."""
_SAFETY = 1.5
"""The margin is this multiple of the largest difference seen."""


class CascadeScores(NamedTuple):
    """Scores of a cascade.

    Attributes:
        scores: float32 [candidates] per query, exact for `exact` ones, else rough; a rough one is never among the
            k best.
        exact: bool [candidates] per query.
        truncated: bool [passages], whether the text was longer than the model reads.
        margin: half the width of the band in which passages were encoded again.
        encoded_again: distinct passages encoded in both precisions.
        largest_error: largest difference of a rough score to the exact one that was seen.
    """

    scores: list[NDArray[np.float32]]
    exact: list[NDArray[np.bool_]]
    truncated: NDArray[np.bool_]
    margin: float
    encoded_again: int
    largest_error: float


def contenders(scores: NDArray[np.float32], k: int, margin: float) -> NDArray[np.bool_]:
    """Mark the candidates that can be among the k best.

    When no score [n] is further than `margin` from the exact one, the k-th best exact score is at least the k-th
    best of `scores` less `margin`: what lies more than 2 · `margin` below that cannot reach it.
    """
    if k >= len(scores):
        return np.ones(len(scores), bool)
    threshold = np.partition(scores, -k)[-k] - 2 * margin
    marked: NDArray[np.bool_] = scores >= threshold
    return marked


class Cascade:
    """A bi-encoder in two precisions, whose k best are those of the exact one, in its order.

    Attributes:
        exact: the encoder in float32, which encodes queries.
        rough: the same in a lower precision.
        depth: k, down to which the ranking is to be exact.
        name: as the user gave it; profile, fingerprint, revision and device are those of both.
        dtype: "cascade".
    """

    dtype = "cascade"

    def __init__(self, exact: Encoder, rough: Encoder, depth: int = 10):
        """Put the two together.

        Raises:
            InputError: a depth below 1, or two encoders whose vectors cannot be compared.
        """
        if depth < 1:
            raise InputError(f"a cascade that keeps the {depth} best does nothing: give at least 1")
        if (exact.profile, exact.fingerprint) != (rough.profile, rough.fingerprint):
            raise InputError(f"a cascade needs one model in two precisions, not {exact.name} and {rough.name}")
        self.exact, self.rough, self.depth = exact, rough, depth
        self.name, self.profile, self.fingerprint = exact.name, exact.profile, exact.fingerprint
        self.device, self.revision = exact.device, exact.revision

    @property
    def window_length(self) -> int:
        """Tokens of a passage that fit beside its template and the special tokens."""
        return self.exact.window_length

    def score(
        self,
        queries: NDArray[np.float32],
        passages: Sequence[str],
        candidates: Sequence[Sequence[int]],
        *,
        progress: bool = False,
    ) -> CascadeScores:
        """Score the candidates of each query.

        The margin comes from a sample encoded in both precisions and is checked against every passage encoded again;
        where one lies outside, the margin grows and the search goes on. So the k best differ from the exact encoder's
        only if a rough score that was never checked is off by `_SAFETY` times as much as any that was.

        Args:
            queries: float32 [queries, d], from the exact encoder.
            passages: distinct texts.
            candidates: per query, places of its candidates in `passages`.
            progress: show progress bars.

        Raises:
            InputError: an empty passage.
        """
        encoded = self.rough.encode_passages(passages, progress=progress)
        vectors = encoded.vectors
        rows = [np.asarray(one, np.int64) for one in candidates]
        first = [dot_products(vectors[row], query) for row, query in zip(rows, queries, strict=True)]
        scores, done = [one.copy() for one in first], np.zeros(len(passages), bool)
        wanted = np.zeros(len(passages), bool)
        wanted[np.linspace(0, len(passages) - 1, min(_SAMPLE, len(passages))).astype(np.int64)] = True
        margin = error = 0.0
        while (new := np.flatnonzero(wanted & ~done)).size:
            vectors[new] = self.exact.encode_passages([passages[at] for at in new.tolist()], progress=progress).vectors
            done[new] = True
            for row, query, before, now in zip(rows, queries, first, scores, strict=True):
                fresh = done[row]
                now[fresh] = dot_products(vectors[row[fresh]], query)
                error = max(error, float(np.abs(now - before).max(initial=0)))
            if error > margin:
                margin = _SAFETY * error
            for row, before in zip(rows, first, strict=True):
                wanted[row[contenders(before, self.depth, margin)]] = True
        return CascadeScores(scores, [done[row] for row in rows], encoded.truncated, margin, int(done.sum()), error)
