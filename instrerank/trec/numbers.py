"""Numbers as C reads them: `int` and `float` of Python accept more, such as `1_0` and digits of other scripts."""

from __future__ import annotations

import numpy as np

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def whole_number(text: str) -> int | None:
    """Return the integer that C parses from the whole text, or None."""
    try:
        return int(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def decimal(text: str) -> float | None:
    """Return the number that C parses from the whole text if it is decimal, or None."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def fits_float32(score: float) -> bool:
    """Return whether a score is finite, also as float32."""
    return abs(score) <= LARGEST_FLOAT32
