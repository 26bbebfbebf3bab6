"""What is measured during training: a reranked first stage, and whether narrowed instructions are followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from instrerank.encoders import Encoder
from instrerank.errors import InputError
from instrerank.evaluation.instructions import Documents, p_mrr_by_topic
from instrerank.evaluation.measures import evaluate
from instrerank.reranking import Candidates, rerank
from instrerank.trec import Qrels

NDCG, P_MRR = "ndcg_cut_10", "p_mrr"


@dataclass(frozen=True)
class RerankingEvaluation:
    """Reranks the same candidates each time.

    Attributes:
        texts: passage text by docid.
        candidates: of topics as they are, for nDCG@10.
        qrels: of these topics.
        original: candidates of topics under their original instructions, for p-MRR.
        changed: the same under the changed instructions.
        documents: that stop being relevant, by qid; empty: no p-MRR.
        metric: "ndcg_cut_10" or "p_mrr".
    """

    texts: Mapping[str, str]
    candidates: Sequence[Candidates]
    qrels: Qrels
    original: Sequence[Candidates] = ()
    changed: Sequence[Candidates] = ()
    documents: Documents | None = None
    metric: str = NDCG

    def __post_init__(self) -> None:
        measured = [NDCG] + [P_MRR] * bool(self.documents)
        if self.metric not in measured:
            raise InputError(f"--metric {self.metric}: measured are {', '.join(measured)}")

    def __call__(self, encoder: Encoder) -> dict[str, float]:
        """Return nDCG@10 and, where there are changed documents, p-MRR (−1 to 1)."""
        run, _ = rerank(self.candidates, self.texts, encoder, tag="training")
        measures = {NDCG: evaluate(run, self.qrels, ["ndcg_cut.10"]).means[NDCG]}
        if self.documents:
            before, after = (
                rerank(side, self.texts, encoder, tag="training")[0] for side in (self.original, self.changed)
            )
            values = p_mrr_by_topic(before, after, self.documents)
            measures[P_MRR] = sum(values.values()) / len(values)
        return measures
