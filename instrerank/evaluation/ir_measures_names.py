"""Measures by their names in ir_measures (`nDCG@10`, `RR(rel=2)@10`, `Judged@10`), computed by that package."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from instrerank.errors import InputError
from instrerank.evaluation.trec_eval import LARGEST_CUTOFF, LARGEST_GAIN, LARGEST_GRADE
from instrerank.trec import Qrels, ScoredDoc

if TYPE_CHECKING:
    from ir_measures import Measure

_JUDGED = re.compile(r"judged[._](\d+(?:,\d+)*)")
_GDEVALS_LARGEST_GRADE = 4


def names() -> list[str]:
    """Return the names of all ir_measures measures, without parameters and cutoffs."""
    import ir_measures

    return sorted(name for name in ir_measures.measures.registry if name.isascii())


def is_known(name: str) -> bool:
    """Return whether ir_measures has a measure of that name, ignoring parameters; `judged.10` counts as one."""
    import ir_measures

    return bool(_JUDGED.fullmatch(name)) or re.split(r"[(@]", name)[0].strip() in ir_measures.measures.registry


def parse_measure(name: str, relevance_level: int) -> dict[str, Measure]:
    """Parse a name and return ir_measures' measures by printed name.

    `judged.10` and `judged.10,100`, in trec_eval's style, stand for `Judged@10` and so on.

    Args:
        name: the name as requested.
        relevance_level: minimum grade that counts as relevant, unless the name has its own `rel=`.

    Raises:
        InputError: ir_measures does not know the measure, or cannot compute it with the installed packages; or the
            measure is a count, which has no mean, or needs judgements by subtopic.
    """
    import ir_measures

    judged = _JUDGED.fullmatch(name)
    if judged:
        cutoffs = sorted({int(cutoff) for cutoff in judged[1].split(",") if len(cutoff) < 20} or {0})
        parsed = {f"judged_{cutoff}": ir_measures.Judged @ cutoff for cutoff in cutoffs}
    else:
        parsed = {name: _parsed(name, relevance_level)}
    if not all(1 <= measure.params.get("cutoff", 1) <= LARGEST_CUTOFF for measure in parsed.values()):
        raise InputError(f"{name}: a cutoff must be at least 1 and at most {LARGEST_CUTOFF}")
    return parsed


def _parsed(name: str, relevance_level: int) -> Measure:
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
        measure.validate_params()  # type: ignore[no-untyped-call]
        if _is_of_subtopics(measure):
            raise InputError(f"{name} needs judgements by subtopic, which are not supported; use ndeval")
        if "rel" in measure.SUPPORTED_PARAMS and "rel" not in measure.params:
            measure = measure(rel=relevance_level)
        ir_measures.evaluator([measure], {})
    except InputError:
        raise
    # whatever a name makes its parser raise: an AssertionError tells of a parameter
    except Exception as error:
        raise InputError(f"{name}: {_one_line(error)}; write it like nDCG@10, AP(rel=2), P(rel=2)@5") from error
    if not isinstance(measure.aggregator(), ir_measures.MeanAgg):
        raise InputError(f"{name} is a count, not a mean over topics; use trec_eval's num_ret, num_rel or num_q")
    gains = measure.params.get("gains", {})
    if not all(isinstance(gain, int) and 0 <= gain <= LARGEST_GAIN for gain in gains.values()):
        raise InputError(f"{name}: gains must be integers from 0 to {LARGEST_GAIN}")
    return measure


def largest_grade(measures: Mapping[str, Measure]) -> int:
    """Return the largest grade that these measures support, as `trec_eval.largest_grade` does."""
    uncut = any(measure.NAME == "nDCG" and "cutoff" not in measure.params for measure in measures.values())
    return LARGEST_GAIN if uncut else LARGEST_GRADE


def score(
    measures: Mapping[str, Measure], qrels: Qrels, rankings: Mapping[str, list[ScoredDoc]]
) -> dict[str, dict[str, float]]:
    """Return the value of each measure by qid, then by printed name.

    Args:
        measures: from `parse_measure`.
        qrels: the judgements.
        rankings: documents in trec_eval's order by qid, judged topics only. The package's providers break ties
            differently, so they get ranks instead of scores and every measure sees the same order. They get numbers
            as qids, because gdeval treats `a-1` and `b-1` as equal.

    Raises:
        InputError: a measure is undefined for these judgements.
    """
    import ir_measures

    numbers = {qid: str(number) for number, qid in enumerate(rankings, start=1)}
    run = {
        numbers[qid]: {document.docid: float(-place) for place, document in enumerate(ranking)}
        for qid, ranking in rankings.items()
    }
    judged = {numbers[qid]: qrels[qid] for qid in rankings}
    scores: dict[str, dict[str, float]] = {qid: {} for qid in rankings}
    for name, measure in measures.items():
        if _is_gdevals(measure):
            _check_grades_for_gdeval(name, qrels, rankings)
        # one at a time: its parts mix up measures that they call by the same name, IPrec@0.101 and IPrec@0.104
        try:
            metrics = list(ir_measures.iter_calc([measure], judged, run))
        except Exception as error:
            reason = f"{type(error).__name__}: {_one_line(error)}"
            raise InputError(
                f"{name}: ir_measures cannot compute it on this run and these qrels ({reason})"
            ) from error
        values = {metric.query_id: float(metric.value) for metric in metrics}
        for qid, number in numbers.items():
            value = values.get(number, measure.DEFAULT)
            if not math.isfinite(value):
                raise InputError(f"{name}: ir_measures' value for topic {qid} is {value}, not a number")
            scores[qid][name] = value
    return scores


def _is_of_subtopics(measure: Measure) -> bool:
    return type(measure).__module__.endswith(".diversity")


def _is_gdevals(measure: Measure) -> bool:
    import ir_measures

    others = (ir_measures.pytrec_eval, ir_measures.cwl_eval)
    return ir_measures.gdeval.supports(measure) and not any(each.supports(measure) for each in others)


def _check_grades_for_gdeval(name: str, qrels: Qrels, qids: Mapping[str, object]) -> None:
    for qid in qids:
        largest = max(qrels[qid].values(), default=0)
        if largest > _GDEVALS_LARGEST_GRADE:
            raise InputError(
                f"{name}: gdeval supports grades up to {_GDEVALS_LARGEST_GRADE}, but topic {qid} has {largest}; "
                f"nDCG@10 supports larger ones"
            )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
