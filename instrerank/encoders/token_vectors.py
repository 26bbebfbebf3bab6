"""Vectors of the tokens of texts, and the late interaction of query and passage tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from instrerank.encoders.similarity import finite

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PASSAGES_AT_ONCE = 128


class TokenVectors(NamedTuple):
    """Token vectors of n texts, in the order of the texts.

    Attributes:
        vectors: for each text [tokens, d], only the tokens that are scored: float32 where they were just computed,
            float16 where they come from a store, which maps them.
        truncated: bool [n], whether the text exceeded the maximum length.
    """

    vectors: Sequence[NDArray[Any]]
    truncated: NDArray[np.bool_]

    def __repr__(self) -> str:
        """Return the size; the vectors are too many to show."""
        tokens = sum(map(len, self.vectors))
        return f"TokenVectors({len(self.vectors)} texts, {tokens} tokens, {int(self.truncated.sum())} texts truncated)"

    def take(self, rows: Sequence[int]) -> TokenVectors:
        """Return the given texts, in the given order."""
        return TokenVectors([self.vectors[row] for row in rows], self.truncated[np.asarray(rows, np.int64)])


def max_sims(passages: Sequence[NDArray[Any]], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return MaxSim of a query with each of n passages: Σ over query tokens of the best dot product in the passage.

    Khattab and Zaharia (SIGIR 2020), equation 3. Products and sums are float64, so that a score does not depend on
    the other passages (see `dot_products`).

    Args:
        passages: n arrays [tokens, d], each with at least one token.
        query: [query tokens, d].

    Returns:
        float32 [n].

    Raises:
        InputError: a score is not finite.
    """
    scores, asked = np.empty(len(passages), np.float32), query.astype(np.float64).T
    for start in range(0, len(passages), _PASSAGES_AT_ONCE):
        some = passages[start : start + _PASSAGES_AT_ONCE]
        firsts = np.cumsum([0, *(len(one) for one in some[:-1])])
        products = np.concatenate(some).astype(np.float64) @ asked
        scores[start : start + len(some)] = np.maximum.reduceat(products, firsts, axis=0).sum(axis=1)
    return finite(scores)
