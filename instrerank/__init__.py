"""Rerank Pyserini's BM25 runs with instruction-following bi-encoders, on clean and adversarial queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instrerank.reranking import InstructionReranker, RerankingSearcher

__version__ = "0.1.0"
__all__ = ["InstructionReranker", "RerankingSearcher", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the API when it is first named: `import instrerank` alone is cheap and silent."""
    if name in ("InstructionReranker", "RerankingSearcher"):
        from instrerank import reranking

        return getattr(reranking, name)
    raise AttributeError(f"module 'instrerank' has no attribute {name!r}")
