"""`instrerank index`: build a Lucene index of passages."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import add_analysis_arguments, positive, settings_of

DESCRIPTION = """Build a Lucene index of passages with Anserini, with positions, document vectors and raw text, so that
all Pyserini searchers work on it and `rerank --index` finds the passages. The folder appears once the
index is complete, with a record of its analyzer that `search` follows. Passages without text are left out and
counted.
"""
EPILOG = """examples:
  instrerank index --corpus passages.jsonl.gz --index indexes/passages
  instrerank index --corpus irds:vaswani --index indexes/vaswani --threads 8
  instrerank index --corpus passages.de.jsonl --index indexes/de --language de
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "--corpus", required=True, help="passages: a JSONL or TSV file, a folder, irds:ID, mteb:TASK, or pocket"
    )
    parser.add_argument("--index", metavar="DIR", required=True, type=Path, help="folder of the index to write")
    parser.add_argument("--threads", metavar="N", type=positive, default=1, help="number of Java threads (default 1)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing index (default: refuse)")
    add_analysis_arguments(parser, recorded=False)
    parser.set_defaults(language="en", stemmer="porter", keep_stopwords=False, pretokenized=False)


def run(arguments: argparse.Namespace) -> None:
    """Build the index."""
    from instrerank.jobs.index import IndexSettings, run_index

    run_index(settings_of(IndexSettings, arguments))
