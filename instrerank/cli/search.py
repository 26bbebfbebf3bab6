"""`instrerank search`: write a first-stage run with its sidecar, by BM25 or from a server."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import (
    add_analysis_arguments,
    add_limit_argument,
    add_output_format_argument,
    add_topics_argument,
    add_writing_arguments,
    positive,
    settings_of,
)

DESCRIPTION = """Retrieve with BM25: the documents and scores of `python -m pyserini.search.lucene`, in trec_eval's
order. k1 and b are as given by the flags for every index (Pyserini's command changes them for some prebuilt
indexes), and are recorded in the sidecar. Queries are analysed as the index was if `instrerank index` built it;
name the analyzer of any other index that is not English with Porter's stemmer.

With --server, a server of Anserini's or Pyserini's REST API (GET /v1/INDEX/search) searches instead, with its own
settings, and the texts of the documents are written too, for rerank --corpus; Java is not needed. Topics are sent
one at a time and the answers kept, so that --resume continues after an interruption. If the server requires an
access token, set PYSERINI_API_TOKEN.
"""
EPILOG = """examples:
  instrerank search --index indexes/passages --topics topics.tsv --output runs/run.passages.bm25.txt
  instrerank search --index msmarco-v1-passage --k1 0.82 --b 0.68 --topics irds:msmarco-passage/trec-dl-2019/judged \\
      --output runs/run.dl19.bm25.txt --threads 8
  instrerank search --index indexes/pony --topics mteb:BrightPonyRetrieval --exclude mteb:BrightPonyRetrieval \\
      --output runs/run.pony.bm25.txt
  instrerank search --index indexes/miracl-de --language de --topics topics.de.tsv --output runs/run.de.bm25.txt
  instrerank search --server http://localhost:8081 --index msmarco-v2.1-doc-segmented --topics topics.rag24.tsv \\
      --hits 100 --output runs/run.rag24.bm25.txt --passages rag24.passages.jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb, those of `python -m pyserini.search.lucene`."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "--index",
        metavar="DIR|NAME",
        required=True,
        help="Lucene index: a folder or a prebuilt index of Pyserini; with --server, its name there",
    )
    parser.add_argument(
        "--server",
        metavar="URL",
        help="address of a server of Anserini's or Pyserini's REST API that searches the index",
    )
    add_topics_argument(parser)
    add_limit_argument(parser)
    parser.add_argument("--output", metavar="RUN", required=True, type=Path, help="run file to write")
    add_output_format_argument(parser)
    parser.add_argument(
        "--passages",
        metavar="JSONL",
        type=Path,
        help="with --server: file to write with the texts of the documents (default: RUN.passages.jsonl)",
    )
    parser.add_argument(
        "--hits", metavar="N", type=positive, default=1000, help="number of documents per topic (default 1000)"
    )
    parser.add_argument("--k1", type=float, default=0.9, help="BM25 k1 (default 0.9, also for prebuilt indexes)")
    parser.add_argument("--b", type=float, default=0.4, help="BM25 b (default 0.4, also for prebuilt indexes)")
    parser.add_argument(
        "--remove-query",
        action="store_true",
        help="drop the document whose docid is the qid, as for ArguAna, whose queries are documents",
    )
    parser.add_argument(
        "--exclude",
        metavar="FILE",
        help="documents that may not be retrieved for a topic: mteb:TASK (BRIGHT's excluded_ids, ArguAna's queries), "
        "or a file in the format of qrels; the next documents take their places",
    )
    parser.add_argument("--threads", metavar="N", type=positive, default=1, help="number of Java threads (default 1)")
    parser.add_argument("--runtag", metavar="TAG", default="Anserini", help="tag of the run (default Anserini)")
    add_writing_arguments(parser)
    add_analysis_arguments(parser, recorded=True)


def run(arguments: argparse.Namespace) -> None:
    """Search, and write the run and its sidecar."""
    from instrerank.jobs.search import SearchSettings, run_search

    run_search(settings_of(SearchSettings, arguments))
