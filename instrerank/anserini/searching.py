"""BM25 search of a Lucene index: Anserini's scores in trec_eval's order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from instrerank.anserini.indexes import locate_index, open_index
from instrerank.anserini.jvm import java_class, reason, start_jvm
from instrerank.errors import InputError, InstrerankError
from instrerank.trec import ScoredDoc, Topic, trec_eval_order
from instrerank.trec.problems import listed

_BATCH = 64
"""Topics that one Java call searches: it holds the stored texts of all their hits, and Ctrl-C waits for it."""


_TERMS = 2**16
"""Distinct terms that a query may have; Lucene's own limit of 1024 would refuse a long one."""


class BM25Searcher:
    """BM25 over a Lucene index, as `python -m pyserini.search.lucene --bm25` scores it.

    Attributes:
        path: folder of the index.
        k1: BM25's term frequency saturation; 0.9 is Anserini's default, whatever the name of the index.
        b: BM25's length normalisation; 0.4 is Anserini's default.
        analyzer: Java class that makes terms of a query; with Anserini's defaults, Porter stems without stop words.
        documents: number of documents in the index.
    """

    def __init__(self, index: str | Path, k1: float = 0.9, b: float = 0.4) -> None:
        """Open an index by its folder or by Pyserini's name for a prebuilt one.

        Raises:
            InputError: no such index, or k1 or b out of range.
            MissingPrerequisiteError: no Java that is new enough, no pyserini, or a prebuilt index out of reach.
        """
        if not 0 <= k1 < math.inf or not 0 <= b <= 1:
            raise InputError(f"BM25 wants k1 >= 0 and 0 <= b <= 1; given k1={k1}, b={b}")
        self.path = locate_index(index)
        self.k1 = float(k1)
        self.b = float(b)
        self._java = open_index(self.path)
        self._java.set_bm25(self.k1, self.b)
        java_class("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(_TERMS)
        self.documents: int = self._java.get_total_num_docs()
        self.analyzer: str = self._java.get_analyzer().getClass().getName()

    def search(self, query: str, hits: int = 1000) -> list[ScoredDoc]:
        """Return the best documents for one query, best first."""
        return self.batch_search([Topic("query", query)], hits)["query"]

    def batch_search(self, topics: Sequence[Topic], hits: int = 1000, threads: int = 1) -> dict[str, list[ScoredDoc]]:
        """Return the best documents of each topic, by qid in the order of the topics.

        The documents and scores are Anserini's: scores rounded to four decimals, documents of equal score by
        docid, each lowered by 1e-6 against the one before; then trec_eval's order. A query without a term of the
        index finds nothing: its ranking is empty.

        Args:
            topics: topics with distinct qids; their instructions play no part.
            hits: at most so many documents for each.
            threads: Java threads; they change nothing but the time.

        Raises:
            InputError: `hits` or `threads` is less than 1.
            InstrerankError: Anserini failed on a topic.
        """
        if hits < 1 or threads < 1:
            raise InputError(f"hits and threads start from 1; given hits={hits}, threads={threads}")
        start_jvm()  # a forked process fails here instead of hanging
        from jnius import JavaException

        rankings = {}
        for start in range(0, len(topics), _BATCH):
            batch = topics[start : start + _BATCH]
            texts, qids = (_java_list([getattr(topic, field) for topic in batch]) for field in ("text", "qid"))
            try:
                results = self._java.batch_search(texts, qids, hits, threads)
            except JavaException as error:
                names = listed([topic.qid for topic in batch])
                raise InstrerankError(f"Anserini failed on one of the topics {names}: {reason(error)}") from error
            for topic in batch:
                found = results.get(topic.qid)
                if found is None:
                    raise InstrerankError(f"Anserini gave no answer to topic {topic.qid}: {topic.text!r}")
                rankings[topic.qid] = trec_eval_order(ScoredDoc(hit.docid, hit.score) for hit in found)
        return rankings


def _java_list(strings: list[str]) -> object:
    java_list = java_class("java.util.ArrayList")()
    for string in strings:
        java_list.add(string)
    return java_list
