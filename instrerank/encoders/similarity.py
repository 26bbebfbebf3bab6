"""Similarity of passages and queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrerank.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def dot_products(passages: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the float32 dot products of passages [n, d] with a query [d], summed in float64.

    Summing in float64 makes a score independent of the other passages: BLAS adds float32 in an order that depends on
    the shape of the whole product.

    Raises:
        InputError: a score is not finite.
    """
    return finite((passages.astype(np.float64) @ query.astype(np.float64)).astype(np.float32))


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cosine of each vector with the other one in its row.

    Args:
        one: [n, d], or [1, d] for all rows.
        other: [n, d].
    """
    first, second = one.astype(np.float64), other.astype(np.float64)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    found: NDArray[np.float64] = (first * second).sum(axis=1) / np.maximum(norms, 1e-12)
    return found


def finite(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scores unchanged, if all are finite.

    Raises:
        InputError: a score is NaN or infinite.
    """
    if not np.isfinite(scores).all():
        raise InputError("the model's scores contain NaN or infinity: check its weights and `dtype`")
    return scores
