"""From candidates and their scores to a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from instrerank.encoders import Cascade, Encoder, PairScorer
from instrerank.errors import InputError
from instrerank.reranking.candidates import Candidates
from instrerank.reranking.fusion import Fusion, append_below
from instrerank.reranking.scoring import EncodedTexts, Scores, Windows, score_candidates
from instrerank.trec import Run


def rerank(
    candidates: Sequence[Candidates],
    texts: Mapping[str, str],
    scorer: Encoder | PairScorer | Cascade,
    *,
    tag: str,
    fusion: Fusion | None = None,
    windows: Windows | None = None,
    encoded: EncodedTexts | None = None,
    progress: bool = False,
) -> tuple[Run, Scores]:
    """Rerank the candidates of every topic.

    Args:
        candidates: per topic, from `select_candidates`.
        texts: passage text by docid, for every candidate to be reranked.
        scorer: a bi-encoder, a pair scorer or a cascade.
        tag: tag of the run.
        fusion: how the first stage's score takes part (not at all by default).
        windows: cut long passages (truncated by default).
        encoded: what `encode_texts` made of these topics and texts, where many query sets share them.
        progress: show a progress bar.

    Returns:
        The run, each ranking in trec_eval's order, and the scores with what was truncated.

    Raises:
        InputError: an empty text, a score that is not finite, or fusion or windows with a cascade.
    """
    fusion = fusion or Fusion()
    if isinstance(scorer, Cascade) and (fusion.method != "none" or windows is not None):
        raise InputError(
            "a cascade has float32's scores of the best whole passages only, but fusion and windows need others too: "
            "leave `fusion` and `max_passage` out, or choose another `dtype`"
        )
    scores = score_candidates(candidates, texts, scorer, windows=windows, encoded=encoded, progress=progress)
    rankings = {
        each.topic.qid: append_below(fusion.combine(each.reranked, by_docid), each.below)
        for each, by_docid in zip(candidates, scores.by_docid, strict=True)
    }
    return Run(tag, rankings), scores
