"""What a job would do, in lines: how much is to be encoded, and what the store spares (`--dry-run`)."""

from __future__ import annotations

from collections.abc import Sequence

from instrerank.encoders import Cascade, Encoder
from instrerank.jobs.rerank import Plan
from instrerank.reranking.scoring import cut_passages


def preview(plan: Plan) -> list[str]:
    """Return what a reranking would encode or score, and what it would write."""
    candidates, scorer = plan.candidates, plan.scorer
    lines = []
    if isinstance(scorer, Cascade):
        lines.append("cascade: what follows is the rough pass; some passages are encoded in float32 after it")
        scorer = scorer.rough
    needed = {document.docid: plan.inputs.texts[document.docid] for each in candidates for document in each.reranked}
    pieces = cut_passages(needed, scorer, plan.windows)
    topics = [each.topic for each in candidates]
    instructed = sum(bool(topic.instruction) for topic in topics)
    pairs = sum(len(each.reranked) for each in candidates)
    lines.append(f"{len(topics)} topics, {instructed} of them with an instruction; {pairs} candidates to rerank")
    if isinstance(scorer, Encoder):
        queries = len({(topic.text, topic.instruction) for topic in topics})
        lines += to_encode(scorer, [part for parts in pieces.values() for part in parts], str(queries))
    else:
        lines.append(f"{scorer.name} in {scorer.dtype} on {scorer.device}")
        scored = sum(len(pieces[hit.docid]) for each in candidates for hit in each.reranked)
        lines.append(f"to score: {scored} pairs")
    return [*lines, f"to write: {plan.settings.output}"]


def to_encode(encoder: Encoder, texts: Sequence[str], queries: str) -> list[str]:
    """Return how many of these passages are still to be encoded, and the queries, which `queries` counts."""
    distinct = list(dict.fromkeys(texts))
    stored = encoder.count_stored(distinct)
    where = "stored (no store)" if encoder.store is None else f"in the store {encoder.store.folder}"
    return [
        f"{encoder.name} in {encoder.dtype} on {encoder.device}",
        f"{len(distinct)} distinct texts of passages, {stored} of them {where}",
        f"to encode: {len(distinct) - stored} texts of passages, {queries} queries",
    ]
