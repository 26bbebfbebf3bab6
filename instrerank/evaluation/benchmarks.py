"""The measures that instruction benchmarks define for themselves, as mteb computes them: each a mean over units.

| benchmark | measure | unit |
|---|---|---|
| NevIR | `paired_accuracy`: both queries of a pair rank their own passage first | pair, `N` of `N_q1` and `N_q2` |
| InstructIR | `robustness_at_10`: the lowest nDCG@10 over the instructions of a query | query, `N` of `N_…` |
| IFIR | `ndcg_cut_20 level 1` to `3`: nDCG@20 of a level | query whose qid contains `v1`, `v2` or `v3` |
"""

from __future__ import annotations

import logging
from typing import Literal

from instrerank.errors import InputError
from instrerank.evaluation.measures import evaluate
from instrerank.evaluation.nevir import contrastive_pairs, pairs_in_order
from instrerank.evaluation.robustness import ScoresByTopic, robustness_at_k
from instrerank.trec import Qrels, Run
from instrerank.trec.problems import listed
from instrerank.trec.runs import cut_run

log = logging.getLogger(__name__)

Benchmark = Literal["nevir", "instructir", "ifir"]

BENCHMARKS: dict[str, Benchmark] = {
    "NevIR": "nevir",
    "InstructIR": "instructir",
    **dict.fromkeys(("IFIRAila", "IFIRFiQA", "IFIRPm", "IFIRScifact"), "ifir"),
}
"""By the name of mteb's task; IFIR's other three tasks have no levels."""

_LEVELS = ("v1", "v2", "v3")


def benchmark_scores(
    benchmark: Benchmark, run: Run, qrels: Qrels, *, max_docs: int | None = None
) -> dict[str, ScoresByTopic]:
    """Return a benchmark's own measures of a run by measure and unit; their means are the leaderboard's figures.

    Args:
        benchmark: whose measures.
        run: in the benchmark's qids.
        qrels: of the topics that count.
        max_docs: truncate every ranking to this depth first.

    Raises:
        InputError: qids that are not the benchmark's, or as `evaluate`.
    """
    if benchmark == "nevir":
        return {"paired_accuracy": pairs_in_order(cut_run(run, max_docs), contrastive_pairs(qrels))}
    depth = 10 if benchmark == "instructir" else 20
    per_query = evaluate(run, qrels, [f"ndcg_cut.{depth}"], max_docs=max_docs).per_query
    scores = {qid: values[f"ndcg_cut_{depth}"] for qid, values in per_query.items()}
    if benchmark == "instructir":
        return {"robustness_at_10": robustness_at_k(scores)}
    return _by_level(scores)


def _by_level(scores: ScoresByTopic) -> dict[str, ScoresByTopic]:
    """Return nDCG@20 by IFIR's level; as in mteb, a qid without a level counts for none."""
    levels: dict[str, dict[str, float]] = {level: {} for level in _LEVELS}
    without = []
    for qid, score in scores.items():
        level = next((level for level in _LEVELS if level in qid), None)
        if level is None:
            without.append(qid)
        else:
            levels[level][qid] = score
    if len(without) == len(scores):
        raise InputError(f"no qid has one of IFIR's levels ({', '.join(_LEVELS)}): {listed(without)}")
    if without:
        log.warning(f"{len(without)} of {len(scores)} qids have no level and count for none: {listed(without)}")
    return {f"ndcg_cut_20 level {level[1:]}": found for level, found in levels.items() if found}
