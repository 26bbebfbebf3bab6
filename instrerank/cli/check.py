"""`instrerank check`: what is wrong with runs, qrels and topics, with line numbers."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """Say what is wrong with runs, qrels and topics: every problem as FILE:LINE: message. Files given
together are held against each other: a run's qids against topics and qrels. Exit code 2 if there is an
error; warnings alone leave it at 0.
"""
EPILOG = """examples:
  instrerank check run.bm25.txt
  instrerank check run.bm25.txt topics.tsv qrels.txt
  instrerank check run.txt topics.tsv --preset trec-rag
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    from instrerank.trec.submission import PRESETS

    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="run, qrels, topics or instructions")
    parser.add_argument(
        "--kind",
        choices=("run", "qrels", "topics", "instructions"),
        help="what the files are (default: each file's first line tells)",
    )
    parser.add_argument(
        "--preset", choices=PRESETS, help="what the runs are to be submitted to (docs/leaderboards.md has the rules)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print every problem as `FILE:LINE: message`, and what is in each file; 2 if anything is wrong."""
    from instrerank.trec.submission import PRESETS
    from instrerank.trec.validation import check_files

    checked = check_files(arguments.files, arguments.kind, PRESETS.get(arguments.preset))
    for file in checked:
        for problem in sorted(file.problems.found):
            print(file.problems.describe(problem))
        errors = len(file.problems.errors)
        warnings = len(file.problems.found) - errors
        verdict = f"{errors} errors, {warnings} warnings" if errors or warnings else "ok"
        print(f"{file.problems.path}: {file.kind}, {file.summary}: {verdict}")
    return 2 if any(file.problems.errors for file in checked) else 0
