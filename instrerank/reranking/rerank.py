"""Reranking: each distinct passage is encoded once, then every query costs one product with its candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from instrerank.encoders import Encoder
from instrerank.errors import InputError
from instrerank.reranking.candidates import Candidates
from instrerank.reranking.fusion import Fusion, append_below
from instrerank.trec import Run


@dataclass
class EncodingCounts:
    """What a sidecar has to tell about the encoding."""

    passages_encoded: int = 0
    passages_truncated: list[str] = field(default_factory=list)
    queries_truncated: list[str] = field(default_factory=list)


def rerank(
    candidates: Sequence[Candidates],
    texts: Mapping[str, str],
    encoder: Encoder,
    *,
    tag: str,
    fusion: Fusion | None = None,
    progress: bool = False,
) -> tuple[Run, EncodingCounts]:
    """Rerank the candidates of every topic.

    Args:
        candidates: per topic, from `select_candidates`.
        texts: passage text by docid, for every candidate to be reranked.
        encoder: the bi-encoder.
        tag: tag of the run.
        fusion: how the first stage's score takes part (not at all by default).
        progress: show a progress bar.

    Returns:
        The run, each ranking in trec_eval's order, and what was encoded and truncated.
    """
    fusion = fusion or Fusion()
    docids = list(dict.fromkeys(document.docid for each in candidates for document in each.reranked))
    row = {docid: number for number, docid in enumerate(docids)}
    topics = [each.topic for each in candidates]
    passages = encoder.encode_passages([texts[docid] for docid in docids], progress=progress)
    queries = encoder.encode_queries([topic.text for topic in topics], [topic.instruction for topic in topics])

    rankings = {}
    for each, query in zip(candidates, queries.vectors, strict=True):
        rows = [row[document.docid] for document in each.reranked]
        scores = dot_products(passages.vectors[rows], query)
        by_docid = {document.docid: score for document, score in zip(each.reranked, scores.tolist(), strict=True)}
        rankings[each.topic.qid] = append_below(fusion.combine(each.reranked, by_docid), each.below)
    counts = EncodingCounts(
        passages_encoded=len(docids),
        passages_truncated=[docid for docid, cut in zip(docids, passages.truncated, strict=True) if cut],
        queries_truncated=[topic.qid for topic, cut in zip(topics, queries.truncated, strict=True) if cut],
    )
    return Run(tag, rankings), counts


def dot_products(passages: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the float32 dot products of passages [n, d] with a query [d], summed in float64.

    The wide sum makes a score independent of what stands beside it: BLAS adds float32 in an order that depends
    on the shape of the whole product.

    Raises:
        InputError: a score is not finite: the vectors are broken.
    """
    scores = (passages.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
    if not np.isfinite(scores).all():
        raise InputError("the encoder gives vectors with NaN or infinity: check its weights and its dtype")
    return scores
