"""`instrerank constrain`: topics, qrels and passages in; instructions with verified changed labels out."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import (
    add_instructions_arguments,
    add_limit_argument,
    add_passage_arguments,
    add_qrels_argument,
    add_relevance_argument,
    add_topics_argument,
    add_writing_arguments,
    settings_of,
)

EPILOG = """examples:
  instrerank constrain --topics topics.tsv --qrels qrels.txt -l 2 --corpus passages.jsonl --output constraints
  instrerank constrain --topics pocket --qrels pocket --instructions pocket --corpus pocket --output pocket2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.epilog = EPILOG
    add_topics_argument(parser)
    add_limit_argument(parser)
    add_instructions_arguments(parser, "give it a generic one")
    add_qrels_argument(parser)
    add_passage_arguments(parser)
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder to write to")
    parser.add_argument("--seed", type=int, default=1, help="random seed for rules and their wording (default 1)")
    add_relevance_argument(parser)
    parser.add_argument(
        "--least-share",
        metavar="S",
        type=float,
        default=0.3,
        help="minimum share of a topic's relevant passages that its rule must keep, and minimum share that it must "
        "exclude (default 0.3)",
    )
    add_writing_arguments(parser, resume=False)


def run(arguments: argparse.Namespace) -> None:
    """Choose a rule for each topic, and write instructions and qrels, each label verified."""
    from instrerank.jobs.constrain import ConstrainSettings, run_constrain

    run_constrain(settings_of(ConstrainSettings, arguments))
