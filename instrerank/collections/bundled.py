"""Bundled passages to calibrate a quantised model on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from instrerank.collections.sources import open_passages

_CALIBRATION = 100


def calibration_texts() -> Iterator[str]:
    """Return the first passages of `pocket`, for the parameter `calibration` of `instrerank.encoders.load_scorer`."""
    return (passage.text for passage in islice(open_passages("pocket"), _CALIBRATION))
