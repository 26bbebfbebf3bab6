"""Flags that several verbs share, with one help text each, and settings from flags."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

from instrerank.tables import FORMATS

_Settings = TypeVar("_Settings")

ENCODERS = "minilm, instrerank-minilm, a Hugging Face id, or a folder"
"""What `--encoder` takes, for its help."""


def add_topics_argument(parser: argparse.ArgumentParser, *, required: bool = True, note: str = "") -> None:
    """Add --topics."""
    parser.add_argument(
        "--topics", required=required, help=f"topics: a file, irds:ID, mteb:TASK, pocket, or a Pyserini name{note}"
    )


def add_qrels_argument(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --qrels."""
    parser.add_argument(
        "--qrels", required=required, help="qrels: a file, irds:ID, mteb:TASK, pocket, or a Pyserini name"
    )


def add_relevance_argument(parser: argparse.ArgumentParser, note: str = "") -> None:
    """Add -l."""
    parser.add_argument(
        "-l",
        dest="relevance_level",
        metavar="N",
        type=positive,
        default=1,
        help=f"minimum grade that counts as relevant{note} (default 1; use 2 for TREC DL)",
    )


def add_format_argument(
    parser: argparse.ArgumentParser, flag: str = "--format", choices: Sequence[str] = FORMATS, what: str = "the output"
) -> None:
    """Add --format, whose first choice is the default, and --json."""
    chosen = parser.add_argument(
        flag, choices=choices, default=choices[0], help=f"format of {what} (default {choices[0]})"
    )
    parser.add_argument("--json", dest=chosen.dest, action="store_const", const="json", help=f"short for {flag} json")


def add_output_format_argument(parser: argparse.ArgumentParser) -> None:
    """Add --output-format of a run."""
    parser.add_argument(
        "--output-format", choices=("trec", "msmarco"), default="trec", help="format of the run file (default trec)"
    )


def add_instructions_arguments(parser: argparse.ArgumentParser, skip: str = "keep it without one") -> None:
    """Add --instructions and --missing; `skip` says what happens to a topic without an instruction there."""
    parser.add_argument(
        "--instructions",
        metavar="FILE",
        help="instructions by qid: a file, FILE:changed, irds:ID, mteb:TASK, or pocket (default: each topic's own "
        "instruction)",
    )
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help=f"what to do with a topic that has no instruction in --instructions: error, or skip to {skip} "
        "(default error)",
    )


def add_limit_argument(parser: argparse.ArgumentParser) -> None:
    """Add --limit."""
    parser.add_argument("--limit", metavar="N", type=positive, help="use only the first N topics (default: all)")


def add_source_argument(parser: argparse.ArgumentParser) -> None:
    """Add --source."""
    parser.add_argument(
        "--source", help="name of the topics in output file names (default: from the name of --topics)"
    )


def add_engine_argument(parser: argparse.ArgumentParser) -> None:
    """Add --engine."""
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="where to compute: local, in this process; or ray, on the Ray cluster at $RAY_ADDRESS or on this machine "
        "(default local; docs/scaling.md)",
    )


def add_dry_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add --dry-run."""
    parser.add_argument(
        "--dry-run", action="store_true", help="read and check all inputs, print the plan, and exit without writing"
    )


def add_writing_arguments(parser: argparse.ArgumentParser, *, resume: bool = True) -> None:
    """Add --overwrite and, for a verb that can continue where it stopped, --resume."""
    if resume:
        parser.add_argument(
            "--resume", action="store_true", help="continue an interrupted call; do nothing if it is complete"
        )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace existing output made with other settings or inputs (default: refuse)",
    )


def settings_of(kind: type[_Settings], arguments: argparse.Namespace, **more: Any) -> _Settings:
    """Return a job's settings from the flags named like its fields; `more` holds the others."""
    given = vars(arguments) | more
    return kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given})  # type: ignore[arg-type]


def add_passage_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --corpus and --index, which exclude each other; if `required`, one must be given."""
    passages = parser.add_mutually_exclusive_group(required=required)
    passages.add_argument("--corpus", help="passages: a JSONL or TSV file, a folder, irds:ID, mteb:TASK, or pocket")
    passages.add_argument("--index", help="Lucene index that stores its passages: a folder or a prebuilt index")


def add_analysis_arguments(parser: argparse.ArgumentParser, *, recorded: bool) -> None:
    """Add the flags that choose the analyzer, named like Anserini's; `recorded`: an index may record the default."""
    default = "default: as the index records, else" if recorded else "default:"
    group = parser.add_argument_group("analyzer")
    group.add_argument(
        "--language", metavar="CODE", help=f"Anserini's analyzer of this language, such as de or zh ({default} en)"
    )
    group.add_argument(
        "--stemmer", choices=("porter", "krovetz", "none"), help=f"stemmer, in English ({default} porter)"
    )
    group.add_argument(
        "--keep-stopwords",
        "--keepStopwords",
        action="store_const",
        const=True,
        help=f"keep stop words, in English ({default} no)",
    )
    group.add_argument(
        "--pretokenized",
        action="store_const",
        const=True,
        help=f"only split at whitespace, such as wordpieces ({default} no)",
    )


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return number
