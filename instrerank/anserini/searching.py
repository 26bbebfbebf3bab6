"""BM25 search over a Lucene index: Anserini's scores in trec_eval's order."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from instrerank.anserini.analysis import absent_share, analysis_of, is_recorded
from instrerank.anserini.indexes import check_searchable, index_reader, locate_index, open_index
from instrerank.anserini.jvm import java_class, reason, start_jvm
from instrerank.errors import InputError, InstrerankError
from instrerank.trec import ScoredDoc, Topic, trec_eval_order
from instrerank.trec.problems import listed

log = logging.getLogger(__name__)

_BATCH = 64
"""Topics per Java call, which keeps the stored texts of all hits in memory and delays Ctrl-C."""


_ABSENT = 0.1
"""Share of absent terms from which an index seems to be built with another analyzer."""


_TERMS = 2**16
"""Maximum number of distinct query terms; Lucene's default of 1024 would reject long queries."""


class BM25Searcher:
    """BM25 over a Lucene index, as `python -m pyserini.search.lucene --bm25` scores it.

    Attributes:
        path: folder of the index.
        k1: BM25's term frequency saturation; the default 0.9 is Anserini's, for every index.
        b: BM25's length normalisation; the default 0.4 is Anserini's.
        analysis: how queries are split into terms; by default as the index records, or else as Anserini does.
        analyzer: its Java class.
        documents: number of documents in the index.
    """

    def __init__(self, index: str | Path, k1: float = 0.9, b: float = 0.4, **analysis: Any) -> None:
        """Open an index by its folder or by Pyserini's name for a prebuilt one.

        Args:
            index: the folder or the name.
            k1: BM25 k1.
            b: BM25 b.
            **analysis: options of `Analysis`; the others are as the index was built, or else Anserini's defaults.

        Raises:
            InputError: no such index, one that BM25 cannot search, or a parameter that is out of range or differs
                from how the index was built.
            MissingPrerequisiteError: no recent enough Java, no pyserini, or a prebuilt index is not downloadable.
        """
        if not 0 <= k1 < math.inf or not 0 <= b <= 1:
            raise InputError(f"`k1` must be at least 0 and `b` between 0 and 1, got k1={k1}, b={b}")
        self.path = locate_index(index)
        self.k1 = float(k1)
        self.b = float(b)
        self.analysis = analysis_of(self.path, analysis)
        self._java = open_index(self.path)
        self._java.set_bm25(self.k1, self.b)
        analyzer = self.analysis.analyzer()
        with index_reader(self.path) as reader:
            check_searchable(self.path, reader)
            if not is_recorded(self.path):
                self._check_analyzer(reader, analyzer)
        self._java.set_analyzer(analyzer)
        java_class("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(_TERMS)
        self.documents: int = self._java.get_total_num_docs()
        self.analyzer: str = self._java.get_analyzer().getClass().getName()

    def _check_analyzer(self, reader: Any, analyzer: Any) -> None:
        absent = absent_share(self._java, reader, analyzer)
        if absent > _ABSENT:
            log.warning(
                f"{self.path}: {absent:.0%} of the terms of its first passages, analysed with {self.analysis}, are "
                f"not in the index: name the analyzer that built it (language, stemmer, keep_stopwords, pretokenized)"
            )

    def search(self, query: str, hits: int = 1000) -> list[ScoredDoc]:
        """Return the best documents for one query, best first."""
        return self.batch_search([Topic("query", query)], hits)["query"]

    def batch_search(self, topics: Sequence[Topic], hits: int = 1000, threads: int = 1) -> dict[str, list[ScoredDoc]]:
        """Return the best documents of each topic, by qid in the order of the topics.

        The documents and scores are Anserini's: scores are rounded to four decimals, and ties are broken by docid,
        each lowered by 1e-6 relative to the one before; then trec_eval's order. The ranking of a query without any
        indexed term is empty.

        Args:
            topics: topics with unique qids; their instructions are ignored.
            hits: maximum number of documents per topic.
            threads: number of Java threads; they affect only the running time.

        Raises:
            InputError: `hits` or `threads` is less than 1, or a duplicate qid.
            InstrerankError: Anserini failed on a topic.
        """
        if hits < 1 or threads < 1:
            raise InputError(f"`hits` and `threads` must be at least 1, got hits={hits}, threads={threads}")
        if len({topic.qid for topic in topics}) < len(topics):
            raise InputError("duplicate qids among the topics: give each topic a qid of its own")
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
                    raise InstrerankError(f"Anserini returned no results for topic {topic.qid}: {topic.text!r}")
                rankings[topic.qid] = trec_eval_order(ScoredDoc(hit.docid, hit.score) for hit in found)
        return rankings


def _java_list(strings: list[str]) -> object:
    java_list = java_class("java.util.ArrayList")()
    for string in strings:
        java_list.add(string)
    return java_list
