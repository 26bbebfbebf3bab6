"""`instrerank index`: a Lucene index of passages."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.messages import log

DESCRIPTION = """Build a Lucene index of passages with Anserini: positions, document vectors and raw text, so that
Pyserini can do everything with it and rerank --index finds the passages. The folder appears when the
index is complete. Passages without text are left out and counted.
"""
EPILOG = """examples:
  instrerank index --corpus passages.jsonl.gz --index indexes/passages
  instrerank index --corpus irds:vaswani --index indexes/vaswani --threads 8
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("--corpus", required=True, help="JSONL or TSV file, a folder of them, irds:ID or pocket")
    parser.add_argument("--index", metavar="DIR", required=True, type=Path, help="folder of the index to be made")
    parser.add_argument("--threads", metavar="N", type=int, default=1, help="Java threads (default 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace an index that is there")


def run(arguments: argparse.Namespace) -> None:
    """Build the index and say what is in it."""
    from instrerank.anserini import build_index
    from instrerank.collections import open_passages

    statistics = build_index(
        open_passages(arguments.corpus), arguments.index, threads=arguments.threads, overwrite=arguments.overwrite
    )
    empty = f"; {statistics.empty} without text left out" if statistics.empty else ""
    log.info(f"{arguments.index}: {statistics.documents} passages{empty}")
