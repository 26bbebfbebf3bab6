"""`instrerank search`: BM25, a first-stage run and its sidecar."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from instrerank.cli.inputs import add_topics_argument
from instrerank.cli.messages import log

DESCRIPTION = """BM25: the documents and scores of `python -m pyserini.search.lucene`, in trec_eval's order. k1 and b
are what the flags say, whatever the index is called (Pyserini's command changes them for some names),
and stand in the sidecar.
"""
EPILOG = """examples:
  instrerank search --index indexes/passages --topics topics.tsv --output runs/run.passages.bm25.txt
  instrerank search --index msmarco-v1-passage --k1 0.82 --b 0.68 --topics irds:msmarco-passage/trec-dl-2019/judged \\
      --output runs/run.dl19.bm25.txt --threads 8
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb, those of `python -m pyserini.search.lucene`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("--index", metavar="DIR|NAME", required=True, help="folder or prebuilt index of Pyserini")
    add_topics_argument(parser)
    parser.add_argument("--output", metavar="RUN", required=True, type=Path, help="run file to be written")
    parser.add_argument("--output-format", choices=("trec", "msmarco"), default="trec", help="default trec")
    parser.add_argument("--hits", metavar="N", type=int, default=1000, help="documents for each topic (default 1000)")
    parser.add_argument("--k1", type=float, default=0.9, help="BM25's k1 (default 0.9, for prebuilt indexes too)")
    parser.add_argument("--b", type=float, default=0.4, help="BM25's b (default 0.4, for prebuilt indexes too)")
    parser.add_argument("--threads", metavar="N", type=int, default=1, help="Java threads (default 1)")
    parser.add_argument(
        "--runtag", metavar="TAG", default="Anserini", help="the run's sixth column (default Anserini)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Search, write the run and its sidecar, and say which topics found nothing."""
    from instrerank.anserini import BM25Searcher, versions
    from instrerank.collections import load_topics
    from instrerank.files import check_writable
    from instrerank.jobs.sidecar import described_source, write_sidecar
    from instrerank.trec import Run, count_tied, write_run
    from instrerank.trec.problems import listed
    from instrerank.trec.runs import check_tag

    started = time.perf_counter()
    check_tag(arguments.runtag)
    check_writable(arguments.output)
    topics = load_topics(arguments.topics)
    searcher = BM25Searcher(arguments.index, arguments.k1, arguments.b)
    opened = time.perf_counter()
    rankings = searcher.batch_search(topics, arguments.hits, arguments.threads)
    found_nothing = [qid for qid, ranking in rankings.items() if not ranking]
    if found_nothing:
        log.warning(f"{len(found_nothing)} topics found nothing: {listed(found_nothing)}")
    write_run(arguments.output, Run(arguments.runtag, rankings), arguments.output_format)
    ended = time.perf_counter()
    write_sidecar(
        arguments.output,
        tag=arguments.runtag,
        retrieval=[
            {
                "name": "bm25",
                "k1": searcher.k1,
                "b": searcher.b,
                "analyzer": searcher.analyzer,
                "software": versions(),
                "hits": arguments.hits,
                "index": {"source": arguments.index, "documents": searcher.documents},
            }
        ],
        data={"topics": described_source(arguments.topics)},
        counts={
            "queries": len(topics),
            "topics without candidates": found_nothing,
            "candidates": sum(map(len, rankings.values())),
            "candidates with tied scores": sum(map(count_tied, rankings.values())),
        },
        seconds={"open index": opened - started, "search": ended - opened},
    )
    log.info(f"{arguments.output}: {len(topics)} topics, {sum(map(len, rankings.values()))} documents")
