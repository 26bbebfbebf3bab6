"""`instrerank doctor`: what this machine has, and the one next step for what it lacks."""

from __future__ import annotations

import argparse

from instrerank.cli.inputs import add_format_argument
from instrerank.errors import MissingPrerequisiteError
from instrerank.tables import render

DESCRIPTION = """Say what this machine has, extras included, what is missing and how to install it. Exit code 3 when
index, search or the encoder minilm cannot work.
"""
EPILOG = """examples:
  instrerank doctor
  instrerank doctor --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_format_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each part; 3 when index, search or the default encoder cannot work here."""
    from instrerank.jobs.doctor import examine

    parts = examine()
    rows = [(part.part, part.here, part.remedy) for part in parts]
    print(render(["part", "here", "what to do"], rows, arguments.format))
    lacking = [part.remedy for part in parts if part.needed and part.remedy]
    if arguments.format == "table":
        print(f"\nNext: {lacking[0] if lacking else 'instrerank demo'}")
    return MissingPrerequisiteError.exit_code if lacking else 0
