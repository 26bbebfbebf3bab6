"""Passages that are always at hand, for a model that has to see some before it can be quantised."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from instrerank.collections.sources import open_passages

_CALIBRATION = 100


def calibration_texts() -> Iterator[str]:
    """Return the first passages of `pocket`, as `calibration` of `instrerank.encoders.load_scorer`."""
    return (passage.text for passage in islice(open_passages("pocket"), _CALIBRATION))
