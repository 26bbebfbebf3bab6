"""Candidates and vectors become rankings."""

from instrerank.reranking.api import InstructionReranker, RerankingSearcher
from instrerank.reranking.candidates import Candidates, candidate_docids, select_candidates
from instrerank.reranking.fusion import Fusion
from instrerank.reranking.rerank import rerank
from instrerank.reranking.scoring import EncodedTexts, Windows, encode_texts

__all__ = [
    "Candidates",
    "EncodedTexts",
    "Fusion",
    "InstructionReranker",
    "RerankingSearcher",
    "Windows",
    "candidate_docids",
    "encode_texts",
    "rerank",
    "select_candidates",
]
