"""The mean over topics, computed as in trec_eval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def total(values: Mapping[str, float] | Iterable[float]) -> float:
    """Return the sum of values in double precision, added one by one as in C.

    `sum` compensates rounding errors since Python 3.12, numpy sums pairwise, and `statistics.fmean` is exact: each
    can differ from trec_eval in the last printed digit.

    Args:
        values: values by qid, added in byte order of the qids as in trec_eval; or a sequence, added in its order.
    """
    if isinstance(values, Mapping):
        values = [values[qid] for qid in sorted(values)]
    result = 0.0
    for value in values:
        result += value
    return result


def mean(values: Mapping[str, float] | Iterable[float]) -> float:
    """Return the arithmetic mean of one or more values: `total` divided by their number.

    Args:
        values: as for `total`.
    """
    values = values if isinstance(values, Mapping) else list(values)
    return total(values) / len(values)
