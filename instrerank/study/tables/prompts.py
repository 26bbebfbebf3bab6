"""The tables `prompts` and `prompt_pairs`: how much the prompt matters, and whether it decides who scores higher."""

from __future__ import annotations

from itertools import combinations

from instrerank.evaluation.means import mean
from instrerank.evaluation.prompts import percentile_rank, wins
from instrerank.evaluation.robustness import prompt_sensitivity
from instrerank.evaluation.significance import LEAST_DIFFERENCE
from instrerank.study.configuration import System
from instrerank.study.prompts import PROMPT
from instrerank.study.results import Results, Scores
from instrerank.study.rows import PromptPair, PromptSpread

_DEFAULT = "none"
"""The condition in which an encoder has only its own default prompt, if any."""


def prompt_rows(results: Results) -> list[PromptSpread]:
    """Return, for each encoder and measure, the spread of the means over prompts, and the default prompt's place."""
    rows = []
    for encoder, prompts in _prompts(results).items():
        if len(prompts) < 2:
            continue
        default = _default(results, encoder)
        for measure in next(iter(prompts.values())):
            means = {prompt: mean(scores[measure]) for prompt, scores in prompts.items()}
            best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
            values = list(means.values())
            own = mean(default[measure]) if default else None
            rows.append(
                PromptSpread(
                    *(encoder, measure, len(means), mean(values), prompt_sensitivity(values)),
                    *(best, means[best], worst, means[worst]),
                    default=own,
                    percentile=None if own is None else percentile_rank(own, values),
                )
            )
    return rows


def prompt_pair_rows(results: Results) -> list[PromptPair]:
    """Return, for each pair of encoders and measure, how often the first beats the second over prompts × topics."""
    by_encoder = _prompts(results)
    rows = []
    for pair in combinations(by_encoder, 2):
        a, b = (by_encoder[encoder] for encoder in pair)
        shared = [prompt for prompt in a if prompt in b]
        if len(shared) < 2:
            continue
        for measure in a[shared[0]]:
            scores = [[each[prompt][measure] for prompt in shared] for each in (a, b)]
            rows.append(_pair_row(results, pair, measure, scores[0], scores[1]))
    return rows


def _pair_row(results: Results, pair: tuple[str, str], measure: str, a: list[Scores], b: list[Scores]) -> PromptPair:
    """Return the row of a pair from its scores by qid under each prompt."""
    qids = list(a[0])
    found = wins(*([[scores[qid] for qid in qids] for scores in each] for each in (a, b)))
    orders = [_order(mean(first), mean(second)) for first, second in zip(a, b, strict=True)]
    low, high = found.interval or (None, None)
    defaults = [_default(results, encoder) for encoder in pair]
    default_a, default_b = (mean(scores[measure]) if scores else None for scores in defaults)
    differs = None
    if default_a is not None and default_b is not None:
        differs = _order(default_a, default_b) != _order(orders.count(1), orders.count(-1))
    return PromptPair(
        *(*pair, measure, len(orders), len(qids), default_a, default_b),
        prompts_a=orders.count(1),
        prompts_tied=orders.count(0),
        prompts_b=orders.count(-1),
        a_beats_b=found.share,
        tied_share=found.ties,
        low=low,
        high=high,
        default_differs=differs,
        prompt_decides=bool(differs) or (low is not None and high is not None and low <= 0.5 <= high),
    )


def _order(a: float, b: float) -> int:
    """Return 1 if a is higher, −1 if b is, and 0 if they are the same."""
    return 0 if abs(a - b) < LEAST_DIFFERENCE else 1 if a > b else -1


def _prompts(results: Results) -> dict[str, dict[str, dict[str, Scores]]]:
    """Return the scores under each prompt, by encoder, prompt's id, measure and qid."""
    found: dict[str, dict[str, dict[str, Scores]]] = {}
    for system in results.systems:
        if system.instructions.startswith(PROMPT):
            prompt = system.instructions.removeprefix(PROMPT)
            found.setdefault(system.encoder, {})[prompt] = results.scores[results.clean(system)]
    return found


def _default(results: Results, encoder: str) -> dict[str, Scores] | None:
    """Return the scores of an encoder with its default prompt, by measure and qid; None if that run failed."""
    system = System(encoder, _DEFAULT)
    return results.scores[results.clean(system)] if system in results.systems else None
