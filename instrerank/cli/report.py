"""`instrerank report`: one HTML page, the report of a study or a comparison of runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import (
    add_passage_arguments,
    add_qrels_argument,
    add_relevance_argument,
    add_topics_argument,
    add_writing_arguments,
    positive,
    settings_of,
)
from instrerank.errors import InputError

DESCRIPTION = """Write one self-contained HTML page.

DIR: the report of a study. --runs: a comparison of any runs with the first of them: measures with their
intervals and tests, and for the topics that moved most the top ten of both runs side by side.
"""
EPILOG = """examples:
  instrerank report studies/dl19
  instrerank report studies/dl19 --output dl19.html
  instrerank report --runs run.bm25.txt run.minilm.txt --topics topics.tsv --qrels qrels.txt \\
      --corpus passages.jsonl --output compared.html
"""
_OF_RUNS = ("topics", "qrels", "output")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("folder", metavar="DIR", nargs="?", type=Path, help="folder written by `instrerank study`")
    parser.add_argument(
        "--runs",
        metavar="RUN",
        nargs="+",
        help="two or more runs to compare: files or irds:ID; the first is the baseline",
    )
    add_topics_argument(parser, required=False, note=", to average over and to show, for --runs")
    add_qrels_argument(parser, required=False)
    add_passage_arguments(parser, required=False)
    parser.add_argument(
        "-m",
        dest="measures",
        metavar="MEASURE",
        action="append",
        help="measure of --runs, as in evaluate; repeatable; topics are chosen by the first",
    )
    add_relevance_argument(parser, ", except in nDCG, for --runs")
    parser.add_argument(
        "--examples",
        metavar="N",
        type=positive,
        default=10,
        help="number of topics to show for each of --runs beside the first (default 10)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="HTML page to write (default DIR/report.html; required for --runs)"
    )
    add_writing_arguments(parser, resume=False)


def run(arguments: argparse.Namespace) -> None:
    """Write the page and print its path."""
    from instrerank.study.report import RunsPageSettings, write_report, write_runs_page

    if (arguments.folder is None) == (arguments.runs is None):
        raise InputError("give either DIR, the folder of a study, or --runs")
    if arguments.runs is None:
        given = [name for name in ("topics", "qrels", "corpus", "index", "measures") if getattr(arguments, name)]
        if given:
            raise InputError(f"`{given[0]}` needs --runs: the page of a study is made from its folder alone")
        print(write_report(arguments.folder, arguments.output, overwrite=arguments.overwrite))
        return
    lacking = [f"`{name}`" for name in _OF_RUNS if getattr(arguments, name) is None]
    if lacking:
        raise InputError(f"--runs needs {' and '.join(lacking)}")
    if arguments.measures is None:
        del arguments.measures
    settings = settings_of(RunsPageSettings, arguments, passages=arguments.corpus or arguments.index)
    print(write_runs_page(arguments.runs, settings).path)
