"""`instrerank check`: validate runs, qrels and topics, with line numbers."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrerank.cli.inputs import add_format_argument
from instrerank.trec.problems import counted

if TYPE_CHECKING:
    from instrerank.trec.validation import CheckedFile

DESCRIPTION = """Check runs, qrels and topics, and list their problems as FILE:LINE: message, of each kind the first
five; --json lists all. Files given together are checked against each other: the qids of a run against topics
and qrels. The exit code is 2 if there are errors and 0 if there are only warnings.
"""
EPILOG = """examples:
  instrerank check run.bm25.txt
  instrerank check run.bm25.txt topics.tsv qrels.txt
  instrerank check run.txt topics.tsv --preset trec-rag-2026
  instrerank check run.txt --json
"""
_EXAMPLES = 5
"""Problems of each kind that the text output lists."""

_VALUES = re.compile(
    r"(?<=\bdocid |\btopic )[^\s:,]+|(?<=\bqid |\btag )[^\s:,]+|(?<=judgement of )\S+|'[^']*'|\S*\d[^\s:,]*"
)
"""Ids, quoted texts and numbers in messages: those that differ only in them are of one kind."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    from instrerank.trec.kinds import KINDS
    from instrerank.trec.submission import PRESETS

    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path, help="run, qrels, topics, instructions or passages to check"
    )
    parser.add_argument(
        "--kind",
        choices=KINDS,
        help="what the files contain (default: detected from the first record of each)",
    )
    parser.add_argument(
        "--preset", choices=PRESETS, help="submission rules that runs must satisfy (see docs/leaderboards.md)"
    )
    add_format_argument(parser, choices=("text", "json"))


def run(arguments: argparse.Namespace) -> int:
    """Print problems as `FILE:LINE: message`, and a summary of each file; return 2 if there are errors."""
    from instrerank.trec.submission import PRESETS
    from instrerank.trec.validation import check_files

    checked = check_files(arguments.files, arguments.kind, PRESETS.get(arguments.preset))
    if arguments.format == "json":
        print(json.dumps([_as_data(file) for file in checked], indent=1, ensure_ascii=False))
    else:
        for file in checked:
            _print_text(file)
    return 2 if any(file.problems.errors for file in checked) else 0


def _as_data(file: CheckedFile) -> dict[str, Any]:
    problems = [problem._asdict() for problem in sorted(file.problems.found)]
    return {"file": str(file.problems.path), "kind": file.kind, "summary": file.summary, "problems": problems}


def _print_text(file: CheckedFile) -> None:
    kinds: Counter[str] = Counter()
    for problem in sorted(file.problems.found):
        kind = _VALUES.sub("…", problem.message)
        kinds[kind] += 1
        if kinds[kind] <= _EXAMPLES:
            print(file.problems.describe(problem))
    for kind, count in kinds.items():
        if count > _EXAMPLES:
            print(f"{file.problems.path}: {count - _EXAMPLES:,} more: {kind} (--json lists all)")
    errors = len(file.problems.errors)
    warnings = len(file.problems.found) - errors
    verdict = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}" if errors or warnings else "ok"
    what = f"{file.kind}, {file.summary}" if file.kind else file.summary
    print(f"{file.problems.path}: {what}: {verdict}")
