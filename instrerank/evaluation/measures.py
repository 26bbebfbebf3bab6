"""Measures of trec_eval (by pytrec_eval-terrier) and of ir_measures, averaged as by `trec_eval -c`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from instrerank.errors import InputError
from instrerank.evaluation import ir_measures_names, trec_eval
from instrerank.trec import Qrels, Run, trec_eval_order
from instrerank.trec.columns import ColumnRankings
from instrerank.trec.problems import listed

if TYPE_CHECKING:
    from ir_measures import Measure

# trec_eval's own defaults are `official`; these are what TREC DL reports
DEFAULT_MEASURES = ("ndcg_cut.10", "map", "recip_rank", "recall.100")


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The scores of one run.

    Attributes:
        run_tag: tag of the run.
        means: mean over every judged topic by measure (trec_eval's printed name, `ndcg_cut_10`); counts (`num_ret`
            etc.) are sums and `gm_` measures are geometric means, as in trec_eval.
        per_query: scores by qid, for judged topics only; topics missing from the run score 0.
        missing: judged qids without results in the run.
        unjudged: qids of the run without judgements, which are ignored.
        benchmark: a benchmark's own measures by measure and unit (`instrerank.evaluation.benchmarks`); else empty.
    """

    run_tag: str
    means: dict[str, float]
    per_query: dict[str, dict[str, float]]
    missing: list[str]
    unjudged: list[str]
    benchmark: dict[str, Mapping[str, float]] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return the means instead of all values by topic."""
        means = ", ".join(f"{name} {value:.4f}" for name, value in self.means.items())
        counts = f"{len(self.per_query)} topics, {len(self.missing)} missing, {len(self.unjudged)} unjudged"
        return f"Evaluation({self.run_tag!r}: {means}; {counts})"


def evaluate(
    run: Run,
    qrels: Qrels,
    measures: Sequence[str] = DEFAULT_MEASURES,
    *,
    relevance_level: int = 1,
    max_docs: int | None = None,
) -> Evaluation:
    """Evaluate a run, averaging over every judged topic (`-c`).

    Args:
        run: the run; ties are broken as in trec_eval, regardless of the order given.
        qrels: the judgements.
        measures: trec_eval's names with its parameters (`map`, `ndcg_cut.10`, `recall.50,100`, `set_F.0.5`) and
            nicknames (`official`), or those of ir_measures (`nDCG@10`, `RR(rel=2)@10`, `Judged@10`, also `judged.10`).
            The former are printed under trec_eval's names (`judged_10` too), the latter as requested.
        relevance_level: minimum grade that counts as relevant, except for nDCG (trec_eval's `-l`); a `rel=` in a
        name takes precedence.
        max_docs: truncate every ranking to this depth first (trec_eval's `-M`).

    Raises:
        InputError: an unknown measure, or one that does not support these judgements; no topic in common; a ranking
            with a duplicate docid.
    """
    measures = [measures] if isinstance(measures, str) else list(measures)
    if not measures:
        raise InputError(f"no measure given; the defaults are {', '.join(DEFAULT_MEASURES)}")
    for parameter, number in (("relevance_level", relevance_level), ("max_docs", max_docs)):
        if number is not None and not 1 <= number < 2**31:
            raise InputError(f"`{parameter}` must be at least 1, got {number}")
    parsed = [trec_eval.parse(name) or _named(name, relevance_level) for name in measures]
    requests = [request for each in parsed if isinstance(each, list) for request in each]
    named = {name: measure for each in parsed if isinstance(each, dict) for name, measure in each.items()}
    sizes = run.sizes
    answered = [qid for qid in qrels if sizes.get(qid)]
    unjudged = sorted(run.rankings.keys() - qrels.keys())
    if not answered:
        raise InputError(
            f"run {run.tag or '(no tag)'} and the qrels have no topic in common: the run has "
            f"{listed(unjudged) or 'none'}; the qrels have {listed(list(qrels)) or 'none'}"
        )
    for qid, grades in qrels.items():
        _check_ids("qrels", qid, grades)
    largest = min(trec_eval.largest_grade(requests), ir_measures_names.largest_grade(named))
    judged = trec_eval.without_traps(qrels, largest)
    topics = partial(_scored, run, answered, max_docs)
    printed, scores = trec_eval.score(requests, judged, topics, relevance_level)
    if named:
        rankings = {qid: trec_eval_order(run.rankings[qid])[:max_docs] for qid in answered}
        for qid, values in ir_measures_names.score(named, judged, rankings).items():
            scores.setdefault(qid, {}).update(values)
    names = list(
        dict.fromkeys(
            name
            for each in parsed
            for name in (each if isinstance(each, dict) else (name for request in each for name in printed[request]))
        )
    )
    absent = {name: trec_eval.value_of_missing(name) for name in names}
    return Evaluation(
        run_tag=run.tag,
        means={name: trec_eval.aggregate(name, {qid: scores[qid][name] for qid in scores}, qrels) for name in names},
        per_query={qid: {name: scores.get(qid, absent)[name] for name in names} for qid in qrels},
        missing=[qid for qid in qrels if qid not in scores],
        unjudged=unjudged,
    )


def relevance_level_note(qrels: Qrels, relevance_level: int, measures: Sequence[str] = ("map",)) -> str | None:
    """Return a warning if grade 1 of graded judgements counts as relevant, else None.

    Args:
        qrels: the judgements.
        relevance_level: minimum grade that counts as relevant.
        measures: as for `evaluate`; nDCG, and measures with a `rel=` of their own, do not depend on the level.
    """
    depends = [name for name in measures if not re.match(r"n?dcg|judged|num_(ret|q)$|.*\brel=", name, re.IGNORECASE)]
    graded = relevance_level == 1 and any(grade > 1 for grades in qrels.values() for grade in grades.values())
    return (
        "grade 1 counts as relevant except for nDCG; TREC DL uses a relevance level of 2"
        if graded and depends
        else None
    )


def _named(name: str, relevance_level: int) -> dict[str, Measure]:
    if not ir_measures_names.is_known(name):
        close = _suggestion(name)
        raise InputError(
            f"unknown measure {name:.80}{f', did you mean {close:.80}?' if close else '.'} Names are trec_eval's "
            f"(ndcg_cut.10, map, recall.100) or ir_measures' (nDCG@10, AP(rel=2), Judged@10)"
        )
    return ir_measures_names.parse_measure(name, relevance_level)


def _suggestion(name: str) -> str | None:
    """Return the known name closest to an unknown one, with its cutoff; ir_measures' if it has a `@` or `(`."""
    parts = re.fullmatch(r"([^@(.]*?)([@(.]|_?(?=\d))(.*)", name) or re.fullmatch(r"(.*)()()", name)
    if parts is None:
        return None
    base, mark, rest = parts.groups()
    known = ir_measures_names.names() if mark in ("@", "(") else []
    known += trec_eval.names() if mark not in ("@", "(") else []
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(base.lower(), by_lower, n=1)
    return f"{by_lower[close[0]]}{mark}{rest}" if close else None


def _scored(run: Run, qids: Sequence[str], max_docs: int | None) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the scores of each topic by docid.

    Raises:
        InputError: a duplicate docid, or an id with NUL or an unpaired surrogate, which the C code cannot tell apart.
    """
    for qid in qids:
        if max_docs is None and isinstance(run.rankings, ColumnRankings):
            docids, scores, _ = run.rankings.columns(qid)
            yield qid, dict(zip(docids, scores.tolist(), strict=True))
            continue
        ranking = trec_eval_order(run.rankings[qid])[:max_docs]
        scored = dict(ranking)
        if len(scored) < len(ranking):
            raise InputError(f"topic {qid}: the ranking has a duplicate docid; keep its best-ranked row")
        _check_ids("run", qid, scored)
        yield qid, scored


def _check_ids(what: str, qid: str, docids: Iterable[str]) -> None:
    if any("\0" in each or not _is_utf8(each) for each in (qid, "".join(docids))):
        raise InputError(
            f"the {what}, topic {qid!r}: an id contains NUL or an unpaired surrogate, which is not allowed"
        )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
