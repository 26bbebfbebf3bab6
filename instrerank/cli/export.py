"""`instrerank export`: validate a run and write it in the format of a leaderboard or another tool."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import (
    add_passage_arguments,
    add_topics_argument,
    add_writing_arguments,
    positive,
    settings_of,
)
from instrerank.errors import InputError

EPILOG = """formats:
{formats}

examples:
  instrerank export run.txt --to trec --topics topics.tsv --runtag group-run1 --output group-run1
  instrerank export run.txt --to msmarco --topics topics.tsv --output eval.tsv
  instrerank export run.txt --to rank_llm --topics topics.tsv --corpus passages.jsonl --hits 20 --output requests.jsonl
  instrerank export run.txt --to tira --output submission --metadata actor.team=NAME \\
      implementation.source.repository=URL 'data.test collection.name=NAME' method.description=TEXT
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    from instrerank.jobs.export import FORMATS
    from instrerank.trec.submission import PRESETS

    parser.epilog = EPILOG.format(formats="\n".join(f"  {name:9} {what}" for name, what in FORMATS.items()))
    parser.add_argument(
        "run_file", metavar="RUN", help="run: a file in TREC or MS MARCO format, irds:ID, or mteb:TASK"
    )
    parser.add_argument("--to", required=True, choices=FORMATS, help="format to write")
    parser.add_argument("--output", required=True, type=Path, help="file to write; for tira a folder")
    parser.add_argument(
        "--preset", choices=PRESETS, help="submission rules that the run must satisfy (default: set by --to)"
    )
    add_topics_argument(parser, required=False, note="; the run must have a row for each, and no other qids")
    add_passage_arguments(parser, required=False)
    parser.add_argument(
        "--hits",
        metavar="N",
        type=positive,
        help="documents to keep per topic (default: all; rank_llm: 100)",
    )
    parser.add_argument("--runtag", metavar="TAG", help="tag of the exported run (default: the run's own)")
    parser.add_argument(
        "--break-ties",
        action="store_true",
        help="lower tied scores by the smallest possible step, for programs that break ties differently from "
        "trec_eval",
    )
    parser.add_argument(
        "--mteb.subset",
        dest="mteb_subset",
        metavar="NAME",
        default="default",
        help="subset in mteb's predictions (default: the subset named default)",
    )
    parser.add_argument(
        "--mteb.split",
        dest="mteb_split",
        metavar="NAME",
        default="test",
        help="split in mteb's predictions (default test)",
    )
    parser.add_argument(
        "--metadata", nargs="+", metavar="FIELD=VALUE", default=[], help="fields of ir_metadata, for --to tira"
    )
    add_writing_arguments(parser, resume=False)


def run(arguments: argparse.Namespace) -> None:
    """Validate, then write; if there are violations, list each with its line and write nothing."""
    from instrerank.jobs.export import ExportSettings, run_export

    metadata = dict(field.partition("=")[::2] for field in arguments.metadata)
    if not all(metadata.values()):
        raise InputError(f"--metadata takes FIELD=VALUE, got {' '.join(arguments.metadata)}")
    run_export(settings_of(ExportSettings, arguments, run=arguments.run_file, metadata=metadata))
