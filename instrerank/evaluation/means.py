"""The mean over topics, as trec_eval takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def total(values: Mapping[str, float] | Iterable[float]) -> float:
    """Return the sum of values in double precision, added one after the other as C adds them.

    `sum` compensates rounding errors from Python 3.12 on, numpy adds pairwise and `statistics.fmean` exactly: each
    can differ from trec_eval in the last printed digit.

    Args:
        values: by qid, added in the byte order of the qids as trec_eval does; or in the order given.
    """
    if isinstance(values, Mapping):
        values = [values[qid] for qid in sorted(values)]
    result = 0.0
    for value in values:
        result += value
    return result


def mean(values: Mapping[str, float] | Iterable[float]) -> float:
    """Return the arithmetic mean: `total` divided by the number of values, of which there is at least one.

    Args:
        values: by qid, or in the order in which they are added.
    """
    values = values if isinstance(values, Mapping) else list(values)
    return total(values) / len(values)
