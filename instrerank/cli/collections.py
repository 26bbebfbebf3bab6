"""`instrerank collections`: the names that topics, qrels, runs and passages can be given by."""

from __future__ import annotations

import argparse

from instrerank.cli.inputs import add_format_argument
from instrerank.tables import render

DESCRIPTION = """List the collections that --topics, --qrels, --instructions, --run, --corpus and --collection take by
name, with what each has, as mteb and ir_datasets describe them. Nothing is downloaded. A dash is an unknown number.

Pyserini's names (dl19-passage) are not listed: Pyserini knows them only with Java or a network.
"""
EPILOG = """examples:
  instrerank collections
  instrerank collections mFollowIR
  instrerank collections InstructionRetrieval --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("word", metavar="WORD", nargs="?", default="", help="list only names that contain this word")
    add_format_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print one line per collection."""
    from instrerank.jobs.collections import Collection, list_collections

    rows: list[tuple[object, ...]] = [*list_collections(arguments.word)]
    if arguments.format != "json":
        words = {True: "yes", False: "no"}
        rows = [tuple(words[cell] if isinstance(cell, bool) else cell for cell in row) for row in rows]
    print(render(Collection._fields, rows, arguments.format))
