"""Rerank candidates into a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from instrerank.reranking.candidates import Candidates
from instrerank.reranking.fusion import Fusion, append_below
from instrerank.reranking.scorer import Scorer
from instrerank.reranking.scoring import PreparedTexts, Scores, Windows, check_comparable, score_candidates
from instrerank.trec import Run, ScoredDoc
from instrerank.trec.columns import LazyRankings

_KEPT = 1_000_000
"""Documents of rankings that are kept; of more, each ranking is made when it is asked for."""


def rerank(
    candidates: Sequence[Candidates],
    texts: Mapping[str, str],
    scorer: Scorer,
    *,
    tag: str,
    fusion: Fusion | None = None,
    windows: Windows | None = None,
    prepared: PreparedTexts | None = None,
    progress: bool = False,
) -> tuple[Run, Scores]:
    """Rerank the candidates of every topic.

    Args:
        candidates: candidates per topic, from `select_candidates`.
        texts: passage text by docid, for every candidate to rerank.
        scorer: the model.
        tag: tag of the run.
        fusion: fusion with first-stage scores (default: none).
        windows: how to split long passages (default: truncate them).
        prepared: result of `prepare_texts` for these topics and texts, if many query sets share it.
        progress: show a progress bar.

    Returns:
        The run, each ranking in trec_eval's order, and the scores with counts of truncated texts. The rankings of more
        than a million documents are made when they are asked for, each time anew.

    Raises:
        InputError: an empty text, a score that is not finite, or fusion or windows with a cascade.
    """
    fusion = fusion or Fusion()
    check_comparable(scorer.best_only, fusion.method, windows)
    scores = score_candidates(candidates, texts, scorer, windows=windows, prepared=prepared, progress=progress)
    rankings = RerankedRankings(candidates, scores.by_topic, fusion)
    if sum(rankings.sizes.values()) <= _KEPT:
        return Run(tag, dict(rankings)), scores
    return Run(tag, rankings), scores


class RerankedRankings(LazyRankings):
    """Rankings by final score, each made when it is asked for."""

    def __init__(
        self, candidates: Sequence[Candidates], scores: Sequence[NDArray[np.float32]], fusion: Fusion
    ) -> None:
        """Take the candidates of each topic and their scores."""
        sizes, self._places = {}, {}
        for place, each in enumerate(candidates):
            sizes[each.topic.qid] = len(each.reranked) + len(each.below)
            self._places[each.topic.qid] = place
        super().__init__(sizes)
        self._candidates, self._scores, self._fusion = candidates, scores, fusion

    def __getitem__(self, qid: str) -> list[ScoredDoc]:
        """Return the ranking of a topic."""
        place = self._places[qid]
        each = self._candidates[place]
        scores = dict(zip((document.docid for document in each.reranked), self._scores[place].tolist(), strict=True))
        return append_below(self._fusion.combine(each.reranked, scores), each.below)
