"""Vectors of texts, one row each, with token counts and truncation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Encoded(NamedTuple):
    """Vectors of texts, in the order of the texts.

    Attributes:
        vectors: float32 [n, d], L2-normalised if the profile says so.
        token_counts: int64 [n], tokens that the model read, special tokens included.
        truncated: bool [n], whether the text exceeded the maximum length.
    """

    vectors: NDArray[np.float32]
    token_counts: NDArray[np.int64]
    truncated: NDArray[np.bool_]

    def __repr__(self) -> str:
        """Return the size; the vectors are too many to show."""
        return f"Encoded(vectors {list(self.vectors.shape)}, {int(self.truncated.sum())} texts truncated)"

    @classmethod
    def empty(cls, texts: int, dimension: int) -> Encoded:
        """Return uninitialised rows."""
        return cls(np.empty((texts, dimension), np.float32), np.empty(texts, np.int64), np.empty(texts, bool))

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Encoded:
        """Return the given rows, in the given order."""
        at = np.asarray(rows, np.int64)
        return Encoded(self.vectors[at], self.token_counts[at], self.truncated[at])

    def put(self, rows: NDArray[np.int64] | NDArray[np.bool_], source: Encoded) -> None:
        """Overwrite rows, given by number or as a mask, with those of `source`."""
        self.vectors[rows] = source.vectors
        self.token_counts[rows] = source.token_counts
        self.truncated[rows] = source.truncated
