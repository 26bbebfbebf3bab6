"""Candidates and vectors become rankings."""

from instrerank.reranking.api import InstructionReranker, RerankingSearcher
from instrerank.reranking.candidates import Candidates, candidate_docids, select_candidates
from instrerank.reranking.fusion import Fusion
from instrerank.reranking.rerank import rerank
from instrerank.reranking.scoring import Windows

__all__ = [
    "Candidates",
    "Fusion",
    "InstructionReranker",
    "RerankingSearcher",
    "Windows",
    "candidate_docids",
    "rerank",
    "select_candidates",
]
