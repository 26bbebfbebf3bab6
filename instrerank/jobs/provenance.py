"""The record of a reranking in its sidecar: its stage, and counts."""

from __future__ import annotations

import dataclasses
from typing import Any

from instrerank.collections import MissingPolicy
from instrerank.reranking.candidates import CandidateCounts, EmptyPolicy
from instrerank.reranking.fusion import Fusion
from instrerank.reranking.scorer import Scorer
from instrerank.reranking.scoring import Scores, Windows
from instrerank.trec import Run, count_tied


def reranking_stage(
    scorer: Scorer,
    *,
    hits: int,
    fusion: Fusion,
    windows: Windows | None,
    missing: MissingPolicy,
    empty: EmptyPolicy = "error",
    output_format: str = "trec",
) -> dict[str, Any]:
    """Return everything that determines the scores of a reranking, as a stage of ir_metadata's `retrieval`."""
    return {
        "name": "reranker",
        "reranks": "first stage",
        "hits": hits,
        "fusion": dataclasses.asdict(fusion),
        "windows": dataclasses.asdict(windows) if windows else "none",
        "missing": missing,
        **({} if empty == "error" else {"empty": empty}),
        "output format": output_format,
        "encoder": {"kind": scorer.kind, **scorer.describe()},
    }


def reranking_counts(counts: CandidateCounts, scores: Scores, reranked: Run) -> dict[str, Any]:
    """Return counts of what was reranked, left out, truncated and tied."""
    return {
        "queries": counts.queries,
        "queries with instruction": counts.instructed,
        "topics without candidates": counts.topics_without_candidates,
        "candidates": counts.candidates,
        "candidates without text": counts.missing_texts,
        "below depth": counts.below_depth,
        "distinct passages": scores.passages,
        "windows": scores.pieces,
        "passages truncated": len(scores.passages_truncated),
        "queries truncated": scores.queries_truncated,
        "pairs truncated": scores.pairs_truncated,
        "candidates with tied scores": sum(
            count_tied(ranking[: len(found)])
            for ranking, found in zip(reranked.rankings.values(), scores.by_topic, strict=True)
        ),
        # left out if 0, which is nearly always the case
        **({"qids of the run without topic": counts.qids_without_topic} if counts.qids_without_topic else {}),
        **({"candidates with empty text": counts.empty_texts} if counts.empty_texts else {}),
        **scores.details,
    }
