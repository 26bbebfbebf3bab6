"""From candidates and their scores to a run."""

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
        candidates: per topic, from `select_candidates`.
        texts: passage text by docid, for every candidate to be reranked.
        scorer: the model.
        tag: tag of the run.
        fusion: how the first stage's score takes part (not at all by default).
        windows: cut long passages (truncated by default).
        prepared: these topics and texts from `prepare_texts`, where many query sets share them.
        progress: show a progress bar.

    Returns:
        The run, each ranking in trec_eval's order, and the scores with what was truncated.

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
