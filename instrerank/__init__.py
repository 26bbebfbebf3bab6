"""Reranking of Pyserini's BM25 runs with instruction-following bi-encoders, on clean and adversarial queries."""

__version__ = "0.1.0"
