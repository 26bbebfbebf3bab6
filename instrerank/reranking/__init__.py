"""Reranking: candidates and a scorer in, rankings out."""

from instrerank.reranking.api import InstructionReranker, RerankingSearcher
from instrerank.reranking.candidates import Candidates, candidate_docids, select_candidates
from instrerank.reranking.fusion import Fusion
from instrerank.reranking.rerank import rerank
from instrerank.reranking.scorer import Scorer
from instrerank.reranking.scoring import PreparedTexts, Windows, prepare_texts

__all__ = [
    "Candidates",
    "Fusion",
    "InstructionReranker",
    "PreparedTexts",
    "RerankingSearcher",
    "Scorer",
    "Windows",
    "candidate_docids",
    "prepare_texts",
    "rerank",
    "select_candidates",
]
