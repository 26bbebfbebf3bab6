"""Indexing and BM25 search through the Anserini jar of pyserini; all use of Java is in this package.

`rest` searches indexes of other machines, without Java.
"""

from instrerank.anserini.analysis import LANGUAGES, STEMMERS, Analysis
from instrerank.anserini.indexes import is_index
from instrerank.anserini.indexing import IndexStatistics, build_index
from instrerank.anserini.java import Java, find_java
from instrerank.anserini.jvm import start_jvm, versions
from instrerank.anserini.names import named_instructions, named_qrels, named_topics
from instrerank.anserini.passages import IndexPassages, hit_text
from instrerank.anserini.searching import BM25Searcher

__all__ = [
    "LANGUAGES",
    "STEMMERS",
    "Analysis",
    "BM25Searcher",
    "IndexPassages",
    "IndexStatistics",
    "Java",
    "build_index",
    "find_java",
    "hit_text",
    "is_index",
    "named_instructions",
    "named_qrels",
    "named_topics",
    "start_jvm",
    "versions",
]
