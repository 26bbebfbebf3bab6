"""`instrerank doctor`: what is installed here, what is missing, and what to do next."""

from __future__ import annotations

import argparse

from instrerank.cli.inputs import add_format_argument
from instrerank.errors import MissingPrerequisiteError
from instrerank.tables import render

DESCRIPTION = """List what is installed on this machine, including extras, what is missing and how to install it. The
exit code is 3 if index, search or the encoder minilm cannot run.
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
    """Print one line per component; return 3 if index, search or the encoder minilm cannot run."""
    from instrerank.jobs.doctor import examine

    parts = examine()
    rows = [(part.part, part.here, part.remedy) for part in parts]
    print(render(["part", "here", "what to do"], rows, arguments.format))
    lacking = [part.remedy for part in parts if part.needed and part.remedy]
    if arguments.format == "table":
        print(f"\nNext: {lacking[0] if lacking else 'instrerank demo'}")
    return MissingPrerequisiteError.exit_code if lacking else 0
