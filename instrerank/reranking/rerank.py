"""Rerank candidates into a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from instrerank.reranking.candidates import Candidates
from instrerank.reranking.fusion import Fusion, append_below
from instrerank.reranking.scorer import Scorer
from instrerank.reranking.scoring import PreparedTexts, Scores, Windows, check_comparable, score_candidates
from instrerank.trec import Run


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
        The run, each ranking in trec_eval's order, and the scores with counts of truncated texts.

    Raises:
        InputError: an empty text, a score that is not finite, or fusion or windows with a cascade.
    """
    fusion = fusion or Fusion()
    check_comparable(scorer.best_only, fusion.method, windows)
    scores = score_candidates(candidates, texts, scorer, windows=windows, prepared=prepared, progress=progress)
    rankings = {
        each.topic.qid: append_below(fusion.combine(each.reranked, by_docid), each.below)
        for each, by_docid in zip(candidates, scores.by_docid, strict=True)
    }
    return Run(tag, rankings), scores
