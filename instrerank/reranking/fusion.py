"""The final score of a candidate: the reranker's alone, or fused with the first stage's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from instrerank.errors import InputError
from instrerank.trec import ScoredDoc, trec_eval_order

FusionMethod = Literal["none", "interpolate", "rrf"]


@dataclass(frozen=True)
class Fusion:
    """Fusion of first-stage and reranker scores, as in `python -m pyserini.fusion`.

    Attributes:
        method: "none" uses the reranker's score alone; "interpolate" alpha · first-stage score + (1 − alpha) ·
            reranker score, without normalisation; "rrf" the sum of 1 / (k + rank) over both (reciprocal rank fusion;
            Cormack et al., SIGIR 2009).
        alpha: weight of the first-stage score in "interpolate", between 0 and 1.
        rrf_k: constant k of "rrf".
    """

    method: FusionMethod = "none"
    alpha: float = 0.5
    rrf_k: int = 60

    def __post_init__(self) -> None:
        """Raise InputError for a parameter out of range."""
        if self.method not in get_args(FusionMethod):
            raise InputError(f"unknown `fusion` {self.method!r}. Available: {', '.join(get_args(FusionMethod))}")
        if not isinstance(self.alpha, int | float) or not 0 <= self.alpha <= 1:
            raise InputError(f"`alpha` must be between 0 and 1, got {self.alpha!r}")
        if not isinstance(self.rrf_k, int) or self.rrf_k < 0:
            raise InputError(f"`rrf_k` must be a whole number of at least 0, got {self.rrf_k!r}")

    def combine(self, first_stage: Sequence[ScoredDoc], scores: Mapping[str, float]) -> list[ScoredDoc]:
        """Return the candidates of one topic in their final order.

        Args:
            first_stage: the candidates in first-stage order.
            scores: the reranker's score by docid.
        """
        reranked = trec_eval_order(ScoredDoc(document.docid, scores[document.docid]) for document in first_stage)
        if self.method == "none":
            return reranked
        if self.method == "interpolate":
            return trec_eval_order(
                ScoredDoc(document.docid, self.alpha * document.score + (1 - self.alpha) * scores[document.docid])
                for document in first_stage
            )
        reciprocal: dict[str, float] = {}
        for ranking in (first_stage, reranked):
            for rank, document in enumerate(ranking, start=1):
                reciprocal[document.docid] = reciprocal.get(document.docid, 0.0) + 1 / (self.rrf_k + rank)
        return trec_eval_order(ScoredDoc(docid, score) for docid, score in reciprocal.items())


def append_below(ranking: Sequence[ScoredDoc], below: Sequence[ScoredDoc]) -> list[ScoredDoc]:
    """Append documents to a ranking in the given order, with scores that decrease by 1 from its last score."""
    last = ranking[-1].score if ranking else 0.0
    return [*ranking, *(ScoredDoc(document.docid, last - place) for place, document in enumerate(below, start=1))]
