"""Indexing and BM25 search through the Anserini jar of pyserini: the only room that knows Java."""
