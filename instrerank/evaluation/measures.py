"""Measures of trec_eval (by pytrec_eval-terrier) and of ir_measures, averaged as `trec_eval -c` averages."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrerank.errors import InputError
from instrerank.evaluation import ir_measures_names
from instrerank.trec import Qrels, Run, trec_eval_order
from instrerank.trec.problems import listed

if TYPE_CHECKING:
    from ir_measures import Measure

# trec_eval's own defaults are `official`; these are what TREC DL reports
DEFAULT_MEASURES = ("ndcg_cut.10", "map", "recip_rank", "recall.100")

# geometric means take log(max(value, 0.00001)) (trec_eval's MIN_GEO_MEAN)
_LOG_OF_ZERO = math.log(0.00001)
_RANK, _SHARE = r"0*[1-9]\d*", r"\d+(\.\d+)?"
_WITH_CUTOFFS = {
    **dict.fromkeys(("P", "recall", "ndcg_cut", "map_cut", "success", "relative_P"), _RANK),
    **dict.fromkeys(("Rprec_mult", "iprec_at_recall"), _SHARE),
}
# strings, not numbers: trec_eval prints them, nothing can average them
_NOT_NUMBERS = ("runid", "relstring")


@dataclass(frozen=True)
class Evaluation:
    """What one run scores.

    Attributes:
        run_tag: tag of the run.
        means: measure (trec_eval's printed name, `ndcg_cut_10`) to its mean over every judged topic; counts
            (`num_ret` and the like) are sums and `gm_` measures geometric means, as trec_eval has them.
        per_query: the same by qid, judged topics only, those that the run misses at 0.
        missing: judged qids that the run does not answer.
        unjudged: qids of the run that have no judgement and play no part.
    """

    run_tag: str
    means: dict[str, float]
    per_query: dict[str, dict[str, float]]
    missing: list[str]
    unjudged: list[str]


def evaluate(
    run: Run,
    qrels: Qrels,
    measures: Sequence[str] = DEFAULT_MEASURES,
    *,
    relevance_level: int = 1,
    max_docs: int | None = None,
) -> Evaluation:
    """Score a run, with every judged topic in the mean (`-c`).

    Args:
        run: the run; ties fall as in trec_eval, whatever the order given.
        qrels: the judgements.
        measures: trec_eval's names (`map`, `ndcg_cut.10`, `recall.50,100`) and nicknames (`official`), or those of
            ir_measures (`nDCG@10`, `RR(rel=2)@10`, `Judged@10`, also `judged.10`). A printed name is trec_eval's
            for the former (`judged_10` too), and the name as asked for with the latter.
        relevance_level: least grade that counts as relevant, except for nDCG (trec_eval's `-l`); a `rel=` in a
            name goes before it.
        max_docs: cut every ranking to so many documents first (trec_eval's `-M`).

    Raises:
        InputError: an unknown measure, or no topic in common.
    """
    theirs = [measure for measure in measures if _is_trec_eval(measure)]
    evaluator = _evaluator(qrels, theirs, relevance_level)
    named = _named([measure for measure in measures if measure not in theirs], relevance_level)
    answered = [qid for qid in qrels if run.rankings.get(qid)]
    unjudged = sorted(run.rankings.keys() - qrels.keys())
    if not answered:
        raise InputError(
            f"run {run.tag or '(no tag)'} and the qrels share no topic: the run answers {listed(unjudged) or 'none'}; "
            f"the qrels judge {listed(list(qrels)) or 'none'}"
        )
    rankings = {qid: trec_eval_order(run.rankings[qid])[:max_docs] for qid in answered}
    scores = evaluator.evaluate({qid: dict(ranking) for qid, ranking in rankings.items()})
    if named:
        for qid, values in ir_measures_names.score(named, qrels, rankings).items():
            scores[qid].update(values)
    names = _printed_order(scores[answered[0]], measures)
    absent = {name: _LOG_OF_ZERO if name.startswith("gm_") else 0.0 for name in names}
    per_query = {qid: {name: scores.get(qid, absent)[name] for name in names} for qid in qrels}
    return Evaluation(
        run_tag=run.tag,
        means={name: _mean(name, per_query, qrels) for name in names},
        per_query=per_query,
        missing=[qid for qid in qrels if qid not in scores],
        unjudged=unjudged,
    )


def _is_trec_eval(measure: str) -> bool:
    return _base(measure) in _trec_eval_names()


def _trec_eval_names() -> set[str]:
    import pytrec_eval

    return {*pytrec_eval.supported_measures, *pytrec_eval.supported_nicknames} - set(_NOT_NUMBERS)


def _evaluator(qrels: Qrels, measures: Sequence[str], relevance_level: int):  # type: ignore[no-untyped-def]
    import pytrec_eval

    # pytrec_eval takes ndcg.10 and answers plain ndcg
    uncut = [measure for measure in measures if measure != _base(measure) and _base(measure) not in _WITH_CUTOFFS]
    if uncut:
        raise InputError(f"{', '.join(uncut)}: only {', '.join(_WITH_CUTOFFS)} take a cutoff (say ndcg_cut.10)")
    # trec_eval ends the process at a cutoff of 0, and reads 1.5 as 1 and 10,,5 as 10
    cut = {measure: _WITH_CUTOFFS[_base(measure)] for measure in measures if measure != _base(measure)}
    wrong = [name for name, form in cut.items() if not re.fullmatch(f"{form}(,{form})*", name[len(_base(name)) + 1 :])]
    if wrong:
        raise InputError(f"{', '.join(wrong)}: cutoffs are whole numbers from 1 on (say ndcg_cut.10,20)")
    return pytrec_eval.RelevanceEvaluator(qrels, set(measures), relevance_level=relevance_level)


def _named(measures: Sequence[str], relevance_level: int) -> dict[str, Measure]:
    unknown = [measure for measure in measures if not ir_measures_names.is_known(measure)]
    if unknown:
        raise InputError(
            f"unknown measure {', '.join(unknown)}; trec_eval's are {', '.join(sorted(_trec_eval_names()))}, with "
            "cutoffs behind a point: ndcg_cut.10; ir_measures' are named like nDCG@10, AP(rel=2), Judged@10"
        )
    parsed = (ir_measures_names.parse_measure(measure, relevance_level) for measure in measures)
    return {name: measure for each in parsed for name, measure in each.items()}


def _base(measure: str) -> str:
    """Return a measure's name without its cutoffs: `ndcg_cut` of `ndcg_cut.10,20` and of `ndcg_cut_10`."""
    return re.sub(r"[._][\d.,]+$", "", measure)


def _mean(name: str, per_query: Mapping[str, Mapping[str, float]], qrels: Qrels) -> float:
    from pytrec_eval import compute_aggregated_measure

    # with -c trec_eval counts these two over the whole qrels file, and num_rel at grade 1 whatever -l says
    if name == "num_q":
        return len(qrels)
    if name == "num_rel":
        return sum(grade >= 1 for grades in qrels.values() for grade in grades.values())
    return float(compute_aggregated_measure(name, [values[name] for values in per_query.values()]))


def _printed_order(names: Mapping[str, float], measures: Sequence[str]) -> list[str]:
    """Order measures as asked for, then by name, cutoffs by their number."""
    asked = [measure if measure in names else _base(measure) for measure in measures]

    def place(name: str) -> tuple[int, str, float]:
        base = name if name in asked else _base(name)
        cutoff = float(name[len(base) + 1 :] or 0)
        return asked.index(base) if base in asked else len(asked), base, cutoff

    return sorted((name for name in names if not name.startswith(_NOT_NUMBERS)), key=place)
