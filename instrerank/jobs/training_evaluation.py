"""Evaluation during training: nDCG@10 of a reranked first stage, and p-MRR under changed instructions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrerank.collections import PassageSource, load_instructions, load_qrels, load_run, load_topics
from instrerank.encoders import Encoder
from instrerank.errors import InputError
from instrerank.evaluation.instructions import Documents, changed_documents, p_mrr_by_topic
from instrerank.evaluation.means import mean
from instrerank.evaluation.measures import evaluate
from instrerank.reranking import Candidates, candidate_docids, rerank, select_candidates
from instrerank.trec import Qrels, Run

NDCG, P_MRR = "ndcg_cut_10", "p_mrr"
DEPTH = 100
"""Number of candidates per topic to rerank."""


@dataclass(frozen=True)
class RerankingEvaluation:
    """Reranks and evaluates the same candidates at each checkpoint.

    Attributes:
        texts: passage text by docid.
        candidates: candidates of the topics, for nDCG@10.
        qrels: qrels of these topics.
        original: candidates of topics with their original instructions, for p-MRR.
        changed: candidates of the same topics with their changed instructions.
        documents: documents that stop being relevant, by qid; None: no p-MRR.
        metric: measure that selects the best checkpoint: "ndcg_cut_10" or "p_mrr".
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
            raise InputError(f"`metric` {self.metric} is not evaluated. Available: {', '.join(measured)}")

    def __call__(self, encoder: Encoder) -> dict[str, float]:
        """Return nDCG@10 and, where there are changed documents, p-MRR (−1 to 1)."""
        run, _ = rerank(self.candidates, self.texts, encoder, tag="training")
        measures = {NDCG: evaluate(run, self.qrels, ["ndcg_cut.10"]).means[NDCG]}
        if self.documents:
            before, after = (
                rerank(side, self.texts, encoder, tag="training")[0] for side in (self.original, self.changed)
            )
            values = p_mrr_by_topic(before, after, self.documents)
            measures[P_MRR] = mean(values)
        return measures


def load_evaluation(
    run: Any,
    topics: Any,
    qrels: Any,
    passages: PassageSource,
    *,
    constraints: str | Path | None = None,
    metric: str = NDCG,
) -> RerankingEvaluation:
    """Read the inputs of the evaluation.

    Args:
        run: the first stage, as `instrerank.load_run` takes it.
        topics: its topics, as `instrerank.load_topics` takes them.
        qrels: its qrels, as `instrerank.load_qrels` takes them, for nDCG@10.
        passages: the passages of the run.
        constraints: folder written by `constrain`, for p-MRR.
        metric: "ndcg_cut_10" or "p_mrr".

    Raises:
        InputError: a missing or damaged file, candidates without text, topics without candidates or instruction, or a
            metric that is not evaluated.
    """
    first_stage = load_run(run, keep_first_duplicate=True)
    texts = passages.lookup(candidate_docids(first_stage, DEPTH))
    candidates, _ = select_candidates(first_stage, load_topics(topics), texts, hits=DEPTH)
    fields: dict[str, Any] = {}
    if constraints:
        constraints = Path(constraints)
        constrained = load_topics(constraints / "topics.tsv")
        part = Run(first_stage.tag, {topic.qid: first_stage.rankings.get(topic.qid, []) for topic in constrained})
        for name in ("original", "changed"):
            source = constraints / f"instructions.{name}.tsv"
            instructions = load_instructions(source)
            if {topic.qid for topic in constrained} - instructions.keys():
                raise InputError(f"{source} has no instruction for some topics of {constraints / 'topics.tsv'}")
            instructed = [topic._replace(instruction=instructions[topic.qid]) for topic in constrained]
            fields[name], _ = select_candidates(part, instructed, texts, hits=DEPTH)
        before, after = (load_qrels(constraints / f"qrels.{name}.txt") for name in ("original", "changed"))
        fields["documents"] = changed_documents(before, after)
    return RerankingEvaluation(texts, candidates, load_qrels(qrels), metric=metric, **fields)
