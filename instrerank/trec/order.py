"""The one order of rankings: that of trec_eval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from instrerank.errors import InputError
from instrerank.trec.types import ScoredDoc

_LARGEST = float(np.finfo(np.float32).max)


def fits_float32(score: float) -> bool:
    """Say whether a score is a finite number as float32, too."""
    return abs(score) <= _LARGEST


def trec_eval_order(ranking: Iterable[ScoredDoc]) -> list[ScoredDoc]:
    """Sort as trec_eval sorts: score descending, then docid descending; the rank column plays no part.

    Scores are rounded to float32 first, because trec_eval up to 9.0.8 keeps them so: what ties there must tie
    here. Docids compare by code point, which is the byte order of their UTF-8 (trec_eval's `strcmp`).

    Raises:
        InputError: a score is NaN, which has no place in any order.
    """
    ranking = list(ranking)
    exact = np.array([document.score for document in ranking], np.float64)
    if np.isnan(exact).any():
        raise InputError(f"the score of document {ranking[int(np.isnan(exact).argmax())].docid} is NaN")
    scores = exact.astype(np.float32).tolist()
    documents = [ScoredDoc(document.docid, score) for document, score in zip(ranking, scores, strict=True)]
    return sorted(documents, key=lambda document: (document.score, document.docid), reverse=True)


def ranked(scores: Mapping[str, Mapping[str, float]]) -> dict[str, list[ScoredDoc]]:
    """Return the ranking of each qid, in trec_eval's order, from scores by qid and docid."""
    return {
        qid: trec_eval_order(ScoredDoc(docid, score) for docid, score in of_topic.items())
        for qid, of_topic in scores.items()
    }


def count_tied(ranking: Iterable[ScoredDoc]) -> int:
    """Count the documents of a ranking that share their float32 score with another."""
    scores = np.array([document.score for document in ranking], np.float64).astype(np.float32)
    _, counts = np.unique(scores, return_counts=True)
    return int(counts[counts > 1].sum())


def without_ties(ranking: Iterable[ScoredDoc]) -> list[ScoredDoc]:
    """Put a ranking into trec_eval's order and lower scores, as little as float32 can, until no two are equal.

    For programs that break ties otherwise: what they see is the order that trec_eval sees in the original scores.
    """
    untied: list[ScoredDoc] = []
    for docid, score in trec_eval_order(ranking):
        if untied and score >= untied[-1].score:
            score = float(np.nextafter(np.float32(untied[-1].score), np.float32(-np.inf)))
        untied.append(ScoredDoc(docid, score))
    return untied
