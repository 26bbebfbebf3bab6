"""A bi-encoder as a reranker: each passage is encoded once for all queries, and scores are dot products."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from instrerank.encoders.options import Kind
from instrerank.encoders.scored import Query, Scored, identity, model_repr
from instrerank.encoders.similarity import dot_products

if TYPE_CHECKING:
    from instrerank.encoders.encoded import Encoded
    from instrerank.encoders.families.profiles import EncoderProfile


class Vectors(NamedTuple):
    """Encoded queries and passages.

    Attributes:
        queries: one row per query.
        passages: one row per passage.
    """

    queries: Encoded
    passages: Encoded


class BiEncoder(ABC):
    """Scores by dot products of the vectors of `encode_queries` and `encode_passages`; `Encoder` is a subclass.

    Attributes:
        kind: "biencoder".
        best_only: False: the scores of all candidates are comparable.
        dim: number of leading dimensions that its vectors are truncated to; None: all.
    """

    kind: ClassVar[Kind] = "biencoder"
    best_only: ClassVar[bool] = False
    dim: int | None = None
    profile: EncoderProfile

    @abstractmethod
    def encode_queries(
        self, queries: Sequence[str], instructions: Sequence[str] | None = None, *, progress: bool = False
    ) -> Encoded:
        """Encode queries, each with its own instruction."""

    @abstractmethod
    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Encoded:
        """Encode passages."""

    def prepare(self, queries: Sequence[Query], passages: Sequence[str], *, progress: bool = False) -> Vectors:
        """Encode queries and passages; `score` no longer needs the model.

        Raises:
            InputError: an empty text, or one that the model cannot encode.
        """
        encoded = self.encode_passages(passages, progress=progress)
        texts, instructions = [text for text, _ in queries], [instruction for _, instruction in queries]
        return Vectors(self.encode_queries(texts, instructions, progress=progress), encoded)

    def score(
        self,
        prepared: Vectors,
        queries: Sequence[int],
        candidates: Sequence[Sequence[int]],
        *,
        progress: bool = False,
    ) -> Scored:
        """Score the candidates of each query.

        Args:
            prepared: from `prepare`.
            queries: rows of n queries in `prepared`.
            candidates: for each query, the rows of its candidates among the passages in `prepared`.
            progress: ignored: scoring is instantaneous.

        Raises:
            InputError: a score that is not finite.
        """
        rows = np.asarray(queries, np.int64)
        scores = [
            dot_products(prepared.passages.vectors[np.asarray(each, np.int64)], query)
            for query, each in zip(prepared.queries.vectors[rows], candidates, strict=True)
        ]
        return Scored(scores, prepared.queries.truncated[rows], prepared.passages.truncated)

    def describe(self) -> dict[str, Any]:
        """Return everything that determines the scores, for the sidecar."""
        return {**identity(self), "profile": described_profile(self.profile)}

    def __repr__(self) -> str:
        return model_repr(self)


def described_profile(profile: EncoderProfile) -> dict[str, Any]:
    """Return the profile's fields that are not None."""
    return {name: value for name, value in dataclasses.asdict(profile).items() if value is not None}
