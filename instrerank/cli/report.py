"""`instrerank report`: write the report of a study as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import add_writing_arguments

EPILOG = """examples:
  instrerank report studies/dl19
  instrerank report studies/dl19 --output dl19.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.epilog = EPILOG
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder written by `instrerank study`")
    parser.add_argument("--output", type=Path, metavar="FILE", help="HTML page to write (default DIR/report.html)")
    add_writing_arguments(parser, resume=False)


def run(arguments: argparse.Namespace) -> None:
    """Write the page and print its path."""
    from instrerank.study.report import write_report

    print(write_report(arguments.folder, arguments.output, overwrite=arguments.overwrite))
