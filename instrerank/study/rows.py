"""The rows of a study's tables: one class per table, written and read by `study/table_files.py`.

A class lists the columns of its table in the order of the CSV file; None is an empty field. Columns that several
tables share:

- `encoder`, `instructions`: the system, as in `System`.
- `perturbation`, `family`, `expects`: name, family and expected effect of the perturbation; `clean`, None and None
  for the clean queries.
- `seed`: of the draw; None for the clean queries.
- `measure`: as trec_eval prints it, `ndcg_cut_10`.
- `clean`, `perturbed`, `difference`, `relative`: means over topics, perturbed − clean, and that over clean.
- `low`, `high`: 95% bootstrap interval of the difference over topics; None with one topic.
- `p`, `corrected_p`: paired t-test, and corrected by Holm over all rows of the table with the same measure; None
  with one topic, or where no topic differs.
- `effect_size`: mean of the differences over their standard deviation (Cohen's d for pairs).
"""

from __future__ import annotations

from typing import NamedTuple

from instrerank.study.configuration import System

INVARIANCE = "invariance"
"""The family of all query perturbations that preserve meaning and need no review: the subject of the answer."""


class CellMean(NamedTuple):
    """A row of `cells`: the mean of one measure over the topics of one run.

    Attributes:
        topics: number of topics in the mean.
        changed_queries: number of topics whose text or instruction differs from the clean one.
        mean: of the measure; under the condition `changed`, with the changed qrels.
        run: path of the run in the study's folder.
    """

    encoder: str
    instructions: str
    perturbation: str
    family: str | None
    expects: str | None
    seed: int | None
    topics: int
    changed_queries: int
    measure: str
    mean: float
    run: str


class TopicScore(NamedTuple):
    """A row of `topics`: the score of one topic in one run."""

    encoder: str
    instructions: str
    perturbation: str
    seed: int | None
    measure: str
    qid: str
    score: float


class Robustness(NamedTuple):
    """A row of `robustness`: the effect of a perturbation on a system, seeds averaged within each topic.

    Attributes:
        in_invariance: whether the perturbation is part of the family `invariance`.
        seeds: number of draws.
        changed_share: share of the topics that the perturbation changes.
        wins: number of topics that score higher when perturbed.
        ties: that score the same.
        losses: that score lower.
        worst_case: mean over topics of the lowest score of any draw.
        sd_over_seeds: standard deviation of the draws' means; None with one draw.
        success_rate: share of the changed queries that score lower; None where no query changes.
        overlap_10: share of the first 10 documents that the perturbed and the clean ranking have in common.
        rbo: rank-biased overlap of the two rankings.
        tau: Kendall's τ over the documents that both rank; None where it is undefined for every topic.
    """

    encoder: str
    instructions: str
    perturbation: str
    family: str
    expects: str
    in_invariance: bool
    seeds: int
    changed_share: float
    measure: str
    clean: float
    perturbed: float
    difference: float
    relative: float | None
    low: float | None
    high: float | None
    p: float | None
    corrected_p: float | None
    effect_size: float | None
    wins: int
    ties: int
    losses: int
    worst_case: float
    sd_over_seeds: float | None
    success_rate: float | None
    overlap_10: float | None
    rbo: float | None
    tau: float | None


class FamilyRobustness(NamedTuple):
    """A row of `families`: the effect of a family of perturbations on a system, each with equal weight.

    Attributes:
        family: of perturbations, or `invariance`.
        perturbations: their number.
        worst_case: mean over topics of the lowest score of any draw of any of them.
    """

    encoder: str
    instructions: str
    family: str
    perturbations: int
    measure: str
    clean: float
    perturbed: float
    difference: float
    relative: float | None
    low: float | None
    high: float | None
    worst_case: float


class Hypothesis(NamedTuple):
    """A row of `hypotheses`: the drops (clean − perturbed) of two systems, compared topic by topic.

    Attributes:
        perturbation: its name, or `invariance`: the mean over all meaning-preserving perturbations that both systems
            were run on.
        topics: number of topics compared.
        drop_a: mean drop of system a.
        drop_b: mean drop of system b.
        difference: drop of a − drop of b: above 0, b is the more robust.
        p_randomisation: paired randomisation test, uncorrected.
    """

    encoder_a: str
    instructions_a: str
    encoder_b: str
    instructions_b: str
    perturbation: str
    measure: str
    topics: int
    drop_a: float
    drop_b: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    corrected_p: float | None
    effect_size: float | None
    p_randomisation: float | None


class RankFlip(NamedTuple):
    """A row of `rank_flips`: two systems in the order of their means on clean queries, and whether a family keeps it.

    Attributes:
        encoder_a: system a scores higher on clean queries, or the same.
        family: of perturbations, or `invariance`.
        perturbations: their number.
        query_sets: draws of them that both systems were run on.
        topics: number of topics.
        clean: mean of a − mean of b on clean queries.
        perturbed: the same on perturbed queries.
        flipped: whether b scores higher on perturbed queries.
        probability: bootstrap probability over topics and seeds that the order flips; None with one topic.
    """

    encoder_a: str
    instructions_a: str
    encoder_b: str
    instructions_b: str
    family: str
    perturbations: int
    query_sets: int
    measure: str
    topics: int
    clean: float
    perturbed: float
    flipped: bool
    probability: float | None


class Interaction(NamedTuple):
    """A row of `interactions`: changes made together against the sum of each alone, or one of them alone.

    Attributes:
        changes: names joined by `+`: perturbations, and `placement-after` for another place of the instruction.
        number: how many.
        topics: number of topics compared.
        drop: mean of clean − changed with all of them.
        added: sum of the mean drops of each alone.
        difference: drop − added: above 0, together they cost more; None for one change.
    """

    encoder: str
    instructions: str
    changes: str
    number: int
    measure: str
    topics: int
    drop: float
    added: float
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    corrected_p: float | None
    effect_size: float | None


class ProbeRate(NamedTuple):
    """A row of `probes`: how often the passage with a shortcut scores higher than the one without.

    Attributes:
        expects: `invariance`: the shortcut should not matter, a win rate of 0.5; `directional`: it should lose, 0.
        topics: number of topics with a pair.
        pairs: number of pairs.
        skipped: passages that no pair could be made of.
        ties: pairs with equal scores, half a win each.
        win_rate: averaged within each topic first.
        low: 95% bootstrap interval of the win rate over topics; None with one topic.
        p: paired t-test against 0.5; corrected by Holm over the table.
    """

    encoder: str
    instructions: str
    probe: str
    expects: str
    topics: int
    pairs: int
    skipped: int
    ties: int
    win_rate: float
    low: float | None
    high: float | None
    p: float | None
    corrected_p: float | None


class InstructionEffect(NamedTuple):
    """A row of `instructions`: the effect of an instruction condition on the clean queries.

    Attributes:
        instructions: the condition, or `instruction-generic` in the rows of prompt sensitivity.
        measure: trec_eval's name; `p_mrr` over the documents that stop being relevant and `p_mrr_kept` over those
            that stay relevant, both × 100; or `prompt_sensitivity <measure>`, the standard deviation of the means
            over generic instructions.
        topics: number of topics in the mean.
        mean: of the measure under the condition.
        none: the mean without instructions (for `changed`, with the changed qrels too), if they are compared.
    """

    encoder: str
    instructions: str
    measure: str
    topics: int
    mean: float
    none: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    corrected_p: float | None = None


class FailedRun(NamedTuple):
    """A row of `failed`: a run that failed, with the reason in one line."""

    encoder: str
    instructions: str
    perturbation: str
    seed: int | None
    reason: str


_OfSystem = (
    CellMean | TopicScore | Robustness | FamilyRobustness | Interaction | ProbeRate | InstructionEffect | FailedRun
)
Row = _OfSystem | Hypothesis | RankFlip


def system(row: _OfSystem) -> System:
    """Return the system of a row."""
    return System(row.encoder, row.instructions)


def system_pair(row: Hypothesis | RankFlip) -> tuple[System, System]:
    """Return the systems a and b of a hypothesis or of a rank flip."""
    return System(row.encoder_a, row.instructions_a), System(row.encoder_b, row.instructions_b)
