"""How much per-topic scores drop under query variations, prompts and attacks."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from instrerank.errors import InputError
from instrerank.evaluation.significance import LEAST_DIFFERENCE
from instrerank.trec.problems import listed

ScoresByTopic = Mapping[str, float]
"""Values of one measure by qid."""


def mean_over_seeds(draws: Sequence[ScoresByTopic]) -> dict[str, float]:
    """Return the mean over the random draws of one perturbation by qid, so that seeds do not count as topics.

    Args:
        draws: scores under each seed, for the same topics.

    Raises:
        InputError: there are no draws, or their topics differ.
    """
    _refuse_different_topics(draws)
    return {qid: statistics.fmean(draw[qid] for draw in draws) for qid in draws[0]}


def worst_case(variants: Sequence[ScoresByTopic]) -> dict[str, float]:
    """Return the lowest score over the variants of each topic by qid: min over v of m_v(q).

    Args:
        variants: scores under each variant, for the same topics; clean queries count as a variant if included.

    Raises:
        InputError: there are no variants, or their topics differ.
    """
    _refuse_different_topics(variants)
    return {qid: min(variant[qid] for variant in variants) for qid in variants[0]}


def before_underscore(qid: str) -> str:
    """Return the base query's id as in mteb's InstructIR task: the part before the first `_`."""
    return qid.split("_", maxsplit=1)[0]


def robustness_at_k(
    scores: ScoresByTopic, base_query: Callable[[str], str] | Mapping[str, str] = before_underscore
) -> dict[str, float]:
    """Return the lowest score over the instructions of each base query; Robustness@k is the mean of these.

    InstructIR (Oh et al. 2024, arXiv 2402.14334), there with nDCG@10; mteb's `robustness_at_10`.

    Args:
        scores: nDCG@k for each pair of base query and instruction, by the qid of the pair.
        base_query: maps a qid to the id of its base query.

    Raises:
        InputError: `base_query` is a mapping that lacks a qid.
    """
    if isinstance(base_query, Mapping):
        absent = [qid for qid in scores if qid not in base_query]
        if absent:
            raise InputError(f"`base_query` has no entry for {listed(absent)}")
        base_query = base_query.__getitem__
    groups = defaultdict(list)
    for qid, score in scores.items():
        groups[base_query(qid)].append(score)
    return {base: min(group) for base, group in groups.items()}


def prompt_sensitivity(means: Sequence[float]) -> float:
    """Return the sample standard deviation (n − 1) of a measure's mean over generic prompts.

    Promptriever (Weller et al. 2024, arXiv 2409.11136), there of nDCG@10 over ten prompts; n − 1 because its
    tables use pandas' `std`.

    Args:
        means: the measure's mean under each prompt.

    Raises:
        InputError: fewer than two prompts.
    """
    if len(means) < 2:
        raise InputError(f"prompt sensitivity needs at least two prompts, got {len(means)}")
    return statistics.stdev(means)


def success_rate(clean: ScoresByTopic, variant: ScoresByTopic, changed: Collection[str]) -> float | None:
    """Return the fraction of changed queries whose score drops, or None if no scored query was changed.

    Args:
        clean: scores of the clean queries.
        variant: scores for the same topics under the perturbation or attack.
        changed: qids whose query was changed; those without a score (unjudged topics) are ignored.

    Raises:
        InputError: the topics of the two differ.
    """
    _refuse_different_topics((clean, variant))
    falls = [variant[qid] < clean[qid] - LEAST_DIFFERENCE for qid in changed if qid in clean]
    return sum(falls) / len(falls) if falls else None


def _refuse_different_topics(scores: Sequence[ScoresByTopic]) -> None:
    if not scores:
        raise InputError("no scores given: at least one set of scores by topic is needed")
    for other in scores[1:]:
        differing = sorted(scores[0].keys() ^ other.keys())
        if differing:
            raise InputError(f"scores must cover the same topics; only one of two has {listed(differing)}")
