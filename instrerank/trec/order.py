"""The order of rankings, which is always that of trec_eval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from instrerank.errors import InputError
from instrerank.trec.types import ScoredDoc


def trec_eval_order(ranking: Iterable[ScoredDoc]) -> list[ScoredDoc]:
    """Sort as trec_eval does: by descending score, then descending docid; the rank column is ignored.

    Scores are rounded to float32 first, because trec_eval up to 9.0.8 stores them that way: what ties there
    must tie here. Docids compare by code point, which is the byte order of their UTF-8 (trec_eval's `strcmp`).

    Raises:
        InputError: a score is NaN and cannot be ordered.
    """
    ranking = list(ranking)
    exact = np.array([score for _, score in ranking], np.float64)
    if np.isnan(exact).any():
        raise InputError(f"the score of document {ranking[int(np.isnan(exact).argmax())].docid} is NaN")
    scores = exact.astype(np.float32)
    if (scores == exact).all() and (scores[1:] < scores[:-1]).all():  # already so, as most rankings are
        return ranking
    documents = [ScoredDoc(docid, score) for (docid, _), score in zip(ranking, scores.tolist(), strict=True)]
    return sorted(documents, key=lambda document: (document.score, document.docid), reverse=True)


def ranked(scores: Mapping[str, Mapping[str, float]]) -> dict[str, list[ScoredDoc]]:
    """Return the ranking of each qid in trec_eval's order, given scores by qid and docid."""
    return {
        qid: trec_eval_order(ScoredDoc(docid, score) for docid, score in of_topic.items())
        for qid, of_topic in scores.items()
    }


def count_tied(ranking: Iterable[ScoredDoc]) -> int:
    """Count the documents of a ranking that share their float32 score with another document."""
    scores = np.array([document.score for document in ranking], np.float64).astype(np.float32)
    _, counts = np.unique(scores, return_counts=True)
    return int(counts[counts > 1].sum())


def without_ties(ranking: Iterable[ScoredDoc]) -> list[ScoredDoc]:
    """Sort a ranking in trec_eval's order and lower tied scores by the smallest float32 steps until all differ.

    For programs that break ties differently: they then see the order that trec_eval derives from the original scores.
    """
    untied: list[ScoredDoc] = []
    for docid, score in trec_eval_order(ranking):
        if untied and score >= untied[-1].score:
            score = float(np.nextafter(np.float32(untied[-1].score), np.float32(-np.inf)))
        untied.append(ScoredDoc(docid, score))
    return untied
