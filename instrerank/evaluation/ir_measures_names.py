"""Measures by the names of ir_measures (`nDCG@10`, `RR(rel=2)@10`, `Judged@10`), computed by that package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from instrerank.errors import InputError
from instrerank.trec import Qrels, ScoredDoc

if TYPE_CHECKING:
    from ir_measures import Measure

_JUDGED = re.compile(r"judged[._](\d+(?:,\d+)*)")


def is_known(name: str) -> bool:
    """Tell whether ir_measures has a measure of that name, whatever its parameters; `judged.10` counts as one."""
    import ir_measures

    return bool(_JUDGED.fullmatch(name)) or re.split(r"[(@]", name)[0].strip() in ir_measures.measures.registry


def parse_measure(name: str, relevance_level: int) -> dict[str, Measure]:
    """Return ir_measures' measures by the name to print.

    `judged.10` and `judged.10,100`, in trec_eval's manner, stand for `Judged@10` and so on.

    Args:
        name: the name as asked for.
        relevance_level: least grade that counts as relevant, where the name has no `rel=` of its own.

    Raises:
        InputError: ir_measures does not know the name, or cannot compute it with what is installed; or the measure
            is a count, which has no mean.
    """
    import ir_measures

    judged = _JUDGED.fullmatch(name)
    if judged:
        parsed = {f"judged_{int(cutoff)}": ir_measures.Judged @ int(cutoff) for cutoff in judged[1].split(",")}
    else:
        parsed = {name: _parsed(name, relevance_level)}
    if any(measure.params.get("cutoff", 1) < 1 for measure in parsed.values()):
        raise InputError(f"{name}: a cutoff is at least 1")
    return parsed


def _parsed(name: str, relevance_level: int) -> Measure:
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
        measure.validate_params()  # type: ignore[no-untyped-call]
        if "rel" in measure.SUPPORTED_PARAMS and "rel" not in measure.params:
            measure = measure(rel=relevance_level)
        ir_measures.evaluator([measure], {})
    # an AssertionError tells of a parameter
    except (ValueError, NameError, AssertionError) as error:
        raise InputError(f"{name}: {error}; write it like nDCG@10, AP(rel=2), P(rel=2)@5") from error
    if not isinstance(measure.aggregator(), ir_measures.MeanAgg):
        raise InputError(f"{name} is a count, not a mean over topics; ask for trec_eval's num_ret, num_rel or num_q")
    return measure


def score(
    measures: Mapping[str, Measure], qrels: Qrels, rankings: Mapping[str, list[ScoredDoc]]
) -> dict[str, dict[str, float]]:
    """Return by qid the value of each measure under its printed name.

    Args:
        measures: from `parse_measure`.
        qrels: the judgements.
        rankings: documents in trec_eval's order by qid, of judged topics only. The package's parts break ties each
            in its own way, so they are given the places for scores: every measure sees this very order.
    """
    import ir_measures

    run = {
        qid: {document.docid: float(-place) for place, document in enumerate(ranking)}
        for qid, ranking in rankings.items()
    }
    judged = {qid: qrels[qid] for qid in rankings}
    values = {
        (metric.query_id, metric.measure): float(metric.value)
        for metric in ir_measures.iter_calc(set(measures.values()), judged, run)
    }
    return {qid: {name: values[qid, measure] for name, measure in measures.items()} for qid in rankings}
