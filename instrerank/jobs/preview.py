"""The plan of a job for a dry run: how much is to be encoded, and how many stored vectors are reused."""

from __future__ import annotations

from collections.abc import Sequence

from instrerank.jobs import attack, attack_passages, promotion_plan
from instrerank.jobs.attack import AttackSettings
from instrerank.jobs.attack_passages import PassageAttackSettings
from instrerank.jobs.promotion_plan import PromotionSettings
from instrerank.jobs.rerank import Plan
from instrerank.jobs.victims import Victim
from instrerank.reranking.scorer import Scorer
from instrerank.reranking.scoring import cut_passages
from instrerank.trec.problems import counted


def preview(plan: Plan) -> list[str]:
    """Return lines that say what a reranking would encode or score, and what it would write."""
    candidates, scorer = plan.candidates, plan.scorer
    topics = [each.topic for each in candidates]
    instructed = sum(bool(topic.instruction) for topic in topics)
    reranked = [document.docid for each in candidates for document in each.reranked]
    pieces = cut_passages({docid: plan.inputs.texts[docid] for docid in reranked}, scorer, plan.windows)
    texts = [part for parts in pieces.values() for part in parts]
    lines = [
        f"{counted(len(topics), 'topic')}, {instructed} of them with an instruction; "
        f"{counted(len(reranked), 'candidate')} to rerank"
    ]
    if scorer.count_stored([]) is None:
        lines.append(f"{scorer.name} in {scorer.dtype} on {scorer.device}")
        lines.append(f"to score: {counted(sum(len(pieces[docid]) for docid in reranked), 'pair')}")
    else:
        lines += to_encode(scorer, texts, counted(len({topic[1:] for topic in topics}), "query"))
    if scorer.best_only:
        lines.append("and some passages again in higher precision")
    return [*lines, f"to write: {plan.settings.output}"]


def preview_attack(settings: AttackSettings) -> list[str]:
    """Return lines that say what an attack on queries would encode, and what it would write."""
    victim = attack.prepare(settings, dry_run=True).victim
    return _of_victim(victim, f"a query set in {settings.output}", settings.budget.candidates, "perturbed ones")


def preview_injection(settings: PassageAttackSettings) -> list[str]:
    """Return lines that say what an injection into passages would encode, and what it would write."""
    victim = attack_passages.prepare(settings, dry_run=True).victim
    return _of_victim(victim, f"injected passages and a run in {settings.output}")


def preview_promotion(settings: PromotionSettings) -> list[str]:
    """Return lines that say what an attack by changed passages would encode, and what it would write."""
    victim = promotion_plan.prepare(settings, dry_run=True).victim
    written = f"changed passages and a run in {settings.output}"
    return _of_victim(victim, written, settings.budget.candidates, "changed passages")


def _of_victim(victim: Victim, written: str, candidates: int = 0, what: str = "") -> list[str]:
    """Return the lines for a victim, with the number of changed texts (`what`) that may be tried for a topic."""
    topics, pairs = len(victim.topics), sum(victim.candidates.sizes.values())
    tried = f" and up to {topics * candidates} {what}" if candidates else ""
    return [
        f"{counted(topics, 'topic')}, {counted(pairs, 'candidate')}",
        *to_encode(victim.encoder, list(victim.texts.values()), f"{counted(topics, 'query')}{tried}"),
        f"to write: {written}",
    ]


def to_encode(encoder: Scorer, texts: Sequence[str], queries: str) -> list[str]:
    """Return lines that say how many of these passages are still to be encoded, and how many queries (`queries`)."""
    distinct = list(dict.fromkeys(texts))
    stored = encoder.count_stored(distinct) or 0
    where = "stored (no store)" if encoder.store is None else f"stored in {encoder.store.folder}"
    return [
        f"{encoder.name} in {encoder.dtype} on {encoder.device}",
        f"{counted(len(distinct), 'distinct passage')}, {stored} of them {where}",
        f"to encode: {counted(len(distinct) - stored, 'passage')}, {queries}",
    ]
