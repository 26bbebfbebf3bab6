"""A precision cascade: all passages in low precision, then in float32 those that could be among the top k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from instrerank.encoders.biencoder import described_profile
from instrerank.encoders.encoded import Encoded
from instrerank.encoders.encoder import Encoder
from instrerank.encoders.options import CASCADE, Kind
from instrerank.encoders.scored import Query, Scored, identity
from instrerank.encoders.similarity import dot_products
from instrerank.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrerank.encoders.stores.store import EmbeddingStore

_SAMPLE = 64
"""Number of passages encoded in both precisions to estimate the error of rough scores."""
_SAFETY = 1.5
"""The margin is this multiple of the largest error observed."""


class CascadeTexts(NamedTuple):
    """What a cascade prepares.

    Attributes:
        queries: encoded by the exact encoder.
        passages: encoded by the rough encoder.
        texts: texts of the passages, some of which are encoded again.
    """

    queries: Encoded
    passages: Encoded
    texts: Sequence[str]


@dataclass(frozen=True)
class CascadeScored(Scored):
    """Scores of a cascade; rough scores are never among the top k.

    Attributes:
        exact: per query bool [candidates], whether the score is exact.
        margin: half the width of the score band in which passages were encoded again.
        encoded_again: number of distinct passages encoded in both precisions.
        largest_error: largest observed difference between a rough and an exact score.
    """

    exact: Sequence[NDArray[np.bool_]] = ()
    margin: float = 0.0
    encoded_again: int = 0
    largest_error: float = 0.0

    @property
    def details(self) -> Mapping[str, Any]:
        """What the second pass did."""
        return {
            "cascade": {
                "passages encoded again": self.encoded_again,
                "margin": self.margin,
                "largest error seen": self.largest_error,
            }
        }


def contenders(scores: NDArray[np.float32], k: int, margin: float) -> NDArray[np.bool_]:
    """Mark the candidates that can be among the top k.

    If every score [n] is within `margin` of the exact one, the k-th best exact score is at least the k-th best of
    `scores` minus `margin`; candidates more than 2 · `margin` below the k-th best of `scores` cannot reach it.
    """
    if k >= len(scores):
        return np.ones(len(scores), bool)
    threshold = np.partition(scores, -k)[-k] - 2 * margin
    marked: NDArray[np.bool_] = scores >= threshold
    return marked


class Cascade:
    """A bi-encoder in two precisions whose top k are those of the exact encoder, in the same order.

    Attributes:
        exact: the encoder in float32, which also encodes queries.
        rough: the same encoder in a lower precision.
        depth: k, the number of top ranks that are exact.
        name: name as the user gave it; profile, fingerprint, revision and device are those of both encoders.
        dtype: "cascade".
        kind: "biencoder".
        best_only: True: scores below the top k are rough.
    """

    kind: ClassVar[Kind] = "biencoder"
    best_only: ClassVar[bool] = True
    dtype = CASCADE

    def __init__(self, exact: Encoder, rough: Encoder, depth: int = 10):
        """Combine two encoders of the same model.

        Raises:
            InputError: a depth below 1, two different models, or vectors truncated differently.
        """
        if depth < 1:
            raise InputError(f"`cascade_depth` must be at least 1, got {depth}")
        if (exact.profile, exact.fingerprint, exact.dim) != (rough.profile, rough.fingerprint, rough.dim):
            raise InputError(f"a cascade needs the same model in two precisions, got {exact.name} and {rough.name}")
        self.exact, self.rough, self.depth = exact, rough, depth
        self.name, self.profile, self.fingerprint = exact.name, exact.profile, exact.fingerprint
        self.device, self.revision = exact.device, exact.revision

    @property
    def store(self) -> EmbeddingStore | None:
        """The store of the rough passage vectors."""
        return self.rough.store

    @property
    def window_length(self) -> int:
        """Maximum tokens of a passage that fit next to its template and the special tokens."""
        return self.exact.window_length

    def windows(self, text: str, size: int, stride: int) -> list[str]:
        """Split a text into windows of at most `size` tokens (see `tokenizing.windows`)."""
        return self.exact.windows(text, size, stride)

    def count_stored(self, texts: Sequence[str]) -> int:
        """Return how many distinct passages have a stored rough vector."""
        return self.rough.count_stored(texts)

    def keep_passages(self, texts: Sequence[str], *, shard_id: int, shard_num: int, progress: bool = False) -> None:
        """Encode a shard of the rough vectors into the store (see `Encoder.keep_passages`)."""
        self.rough.keep_passages(texts, shard_id=shard_id, shard_num=shard_num, progress=progress)

    def prepare(self, queries: Sequence[Query], passages: Sequence[str], *, progress: bool = False) -> CascadeTexts:
        """Encode queries with the exact encoder, and all passages with the rough one.

        Raises:
            InputError: an empty text, or one that the model cannot encode.
        """
        rough = self.rough.encode_passages(passages, progress=progress)
        texts, instructions = [text for text, _ in queries], [instruction for _, instruction in queries]
        return CascadeTexts(self.exact.encode_queries(texts, instructions, progress=progress), rough, passages)

    def score(
        self,
        prepared: CascadeTexts,
        queries: Sequence[int],
        candidates: Sequence[Sequence[int]],
        *,
        progress: bool = False,
    ) -> CascadeScored:
        """Score the candidates of each query.

        The margin comes from a sample encoded in both precisions and is checked against every passage encoded again;
        if one lies outside, the margin grows and the search continues. The top k therefore differ from the exact
        encoder's only if an unchecked rough score has an error `_SAFETY` times as large as any that was checked.

        What is encoded again depends only on these queries and candidates, not on earlier calls.

        Args:
            prepared: from `prepare`.
            queries: rows of n queries in `prepared`.
            candidates: for each query, the rows of its candidates among the passages in `prepared`.
            progress: show progress bars.

        Raises:
            InputError: a score that is not finite.
        """
        used = np.array(list(dict.fromkeys(row for each in candidates for row in each)), np.int64)
        place = {row: at for at, row in enumerate(used.tolist())}
        vectors = prepared.passages.vectors[used]  # a copy: `prepared` stays rough
        rows = [np.array([place[row] for row in each], np.int64) for each in candidates]
        asked = prepared.queries.vectors[np.asarray(queries, np.int64)]
        first = [dot_products(vectors[row], query) for row, query in zip(rows, asked, strict=True)]
        scores, done = [one.copy() for one in first], np.zeros(len(used), bool)
        wanted = np.zeros(len(used), bool)
        wanted[np.linspace(0, len(used) - 1, min(_SAMPLE, len(used))).astype(np.int64)] = True
        margin = error = 0.0
        while (new := np.flatnonzero(wanted & ~done)).size:
            texts = [prepared.texts[row] for row in used[new].tolist()]
            vectors[new] = self.exact.encode_passages(texts, progress=progress).vectors
            done[new] = True
            for row, query, before, now in zip(rows, asked, first, scores, strict=True):
                fresh = done[row]
                now[fresh] = dot_products(vectors[row[fresh]], query)
                error = max(error, float(np.abs(now - before).max(initial=0)))
            if error > margin:
                margin = _SAFETY * error
            for row, before in zip(rows, first, strict=True):
                wanted[row[contenders(before, self.depth, margin)]] = True
        return CascadeScored(
            scores,
            prepared.queries.truncated[np.asarray(queries, np.int64)],
            prepared.passages.truncated,
            exact=[done[row] for row in rows],
            margin=margin,
            encoded_again=int(done.sum()),
            largest_error=error,
        )

    def describe(self) -> dict[str, Any]:
        """Return everything that determines the scores, for the sidecar."""
        precisions = {"first": self.rough.dtype, "best": self.exact.dtype, "depth": self.depth}
        dim = {} if self.exact.dim is None else {"dim": self.exact.dim}
        return {**identity(self), "cascade": precisions, "profile": described_profile(self.profile), **dim}

    def __repr__(self) -> str:
        return f"Cascade({self.exact!r}, {self.rough!r}, depth={self.depth})"
