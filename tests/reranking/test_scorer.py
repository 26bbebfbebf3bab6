"""What reranking asks of a model is the protocol `Scorer`, and nothing else."""

import numpy as np

from instrerank import InstructionReranker, RerankingSearcher
from instrerank.encoders.scored import Scored
from instrerank.reranking import Candidates, rerank
from instrerank.trec import ScoredDoc, Topic


class LateInteraction:
    """A scorer of another kind: the sum over the query's words of their best likeness among the passage's words."""

    kind, name, dtype, device, best_only, store = "late-interaction", "late", "float32", "cpu", False, None
    window_length = 5

    def __repr__(self):
        return "LateInteraction()"

    def windows(self, text, size, stride):
        return [text]

    def count_stored(self, texts):
        return 0

    def prepare(self, queries, passages, *, progress=False):
        return [
            [f"{query} {instruction}".split() for query, instruction in queries],
            [text.split() for text in passages],
        ]

    def score(self, prepared, queries, candidates, *, progress=False):
        words, tokens = prepared
        scores = [
            np.array([sum(word in tokens[row] for word in words[query]) for row in rows], np.float32)
            for query, rows in zip(queries, candidates, strict=True)
        ]
        return Scored(scores, np.zeros(len(queries), bool), np.zeros(len(tokens), bool))

    def describe(self):
        return {"name": self.name}


def test_another_kind_of_scorer_needs_nothing_else():
    candidates = [Candidates(Topic("1", "moon", "tide"), [ScoredDoc("a", 2.0), ScoredDoc("b", 1.0)], [])]
    run, scores = rerank(candidates, {"a": "the moon", "b": "moon and tide"}, LateInteraction(), tag="t")
    assert run.rankings == {"1": [ScoredDoc("b", 2.0), ScoredDoc("a", 1.0)]}
    assert (scores.passages, scores.pairs_truncated, dict(scores.details)) == (2, 0, {})
    reranker = InstructionReranker(LateInteraction())
    assert [hit.docid for hit in reranker.rerank("moon", [("a", "sun"), ("b", "moon")])] == ["b", "a"]
    assert repr(reranker) == (
        "InstructionReranker(LateInteraction(), fusion=Fusion(method='none', alpha=0.5, rrf_k=60), windows=None)"
    )
    assert (
        repr(RerankingSearcher("searcher", reranker, hits=7)) == f"RerankingSearcher('searcher', {reranker!r}, hits=7)"
    )
