"""`instrerank attack`: find the queries that hurt an encoder's ranking most, or inject text into passages."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from instrerank.cli.inputs import (
    ENCODERS,
    add_dry_run_argument,
    add_format_argument,
    add_instructions_arguments,
    add_limit_argument,
    add_passage_arguments,
    add_qrels_argument,
    add_relevance_argument,
    add_source_argument,
    add_topics_argument,
    add_writing_arguments,
    positive,
    settings_of,
)
from instrerank.cli.loading import add_encoder_arguments, load_options_of
from instrerank.cli.messages import shows_progress
from instrerank.errors import InputError
from instrerank.tables import render

EPILOG = """examples:
  instrerank attack --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output attacks
  instrerank attack --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output attacks \\
      --objective ndcg_cut.10 --qrels qrels.txt --budget edits=2,candidates=500 --strategy beam
  instrerank attack --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output attacks \\
      --target passages --qrels qrels.txt --budget edits=5 --strategy beam
  instrerank attack --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output attacks \\
      --passages query:start --qrels qrels.txt
"""
TARGETS = (
    "what to search for: queries that hurt the ranking; passages judged grade 0, changed until they enter the top K; "
    "or one trigger before the passages of all topics (default queries); passages and trigger need --qrels"
)
PERTURBATIONS = (
    "perturbation that generates candidates (default typo-mixed; of passages and triggers word-mixed, beside "
    "word-insertion and word-replacement); typo-mixed:on=instruction attacks the instruction"
)
STRATEGIES = (
    "search strategy: greedy edits the most important words and keeps the worst text; beam keeps several texts "
    "after each edit; worst takes the worst of random draws (default greedy)"
)
BUDGETS = "search budget per topic (default edits=1,candidates=200); --strategy beam also takes beam=5"
OBJECTIVES = (
    "what an attack on queries minimises: overlap, the average overlap with the top 10 of the clean ranking; or a "
    "measure such as ndcg_cut.10, an oracle that needs --qrels (default overlap)"
)
TOPS = "rank that passages and triggers must reach (default 10)"
FLOORS = "least cosine of a changed passage with the clean one, -1 for any (default 0.8)"
JUDGES = "encoder that measures --floor (default: the encoder under attack)"
INJECTIONS = (
    "inject a fixed text instead of searching: query, keywords, task, criterion or role into one grade-0 candidate "
    "per topic, at start, middle, end or random (default place: start); needs --qrels"
)
_OF_QUERIES = ("objective",)
_OF_PASSAGES = ("top", "floor", "judge")
_OF_SEARCHES = ("perturbation", "strategy", "budget")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.epilog = EPILOG
    add = parser.add_argument
    add(
        "--run",
        dest="run_file",
        metavar="RUN",
        required=True,
        type=Path,
        help="first-stage run: file, irds:ID, or mteb:TASK",
    )
    add_topics_argument(parser)
    add_limit_argument(parser)
    add_instructions_arguments(parser)
    add_passage_arguments(parser)
    add("--encoder", required=True, help=f"encoder to attack: {ENCODERS}")
    add("--output", required=True, type=Path, metavar="DIR", help="folder to write to")
    add("--hits", metavar="N", type=positive, default=100, help="number of candidates per topic to rank (default 100)")
    add("--target", choices=("queries", "passages", "trigger"), default="queries", help=TARGETS)
    # absent unless given: where they would have no effect, they are refused
    add("--perturbation", default=argparse.SUPPRESS, help=PERTURBATIONS)
    add("--strategy", choices=("greedy", "beam", "worst"), default=argparse.SUPPRESS, help=STRATEGIES)
    add("--budget", default=argparse.SUPPRESS, help=BUDGETS)
    add("--objective", default=argparse.SUPPRESS, help=OBJECTIVES)
    add("--top", metavar="K", type=positive, default=argparse.SUPPRESS, help=TOPS)
    add("--floor", metavar="COSINE", type=float, default=argparse.SUPPRESS, help=FLOORS)
    add("--judge", metavar="ENCODER", default=argparse.SUPPRESS, help=JUDGES)
    add("--passages", metavar="WHAT[:PLACE]", help=INJECTIONS)
    add_qrels_argument(parser, required=False)
    add_relevance_argument(parser)
    add("--seed", type=int, default=1, help="random seed for candidate queries (default 1)")
    add_source_argument(parser)
    add_dry_run_argument(parser)
    add_format_argument(parser, what="the table of queries or passages")
    add_writing_arguments(parser, resume=False)
    add_encoder_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Attack queries (or instructions), or passages, and print the results."""
    from instrerank.jobs.attack import AttackedQuery, AttackSettings, run_attack
    from instrerank.jobs.attack_passages import PassageAttackSettings, run_attack_passages
    from instrerank.jobs.preview import preview_attack, preview_injection, preview_promotion
    from instrerank.jobs.promote import run_promotion
    from instrerank.jobs.promotion_plan import PromotionSettings
    from instrerank.perturbations.searching import Budget

    more: dict[str, Any] = {
        "run": arguments.run_file,
        "load": load_options_of(arguments),
        "progress": shows_progress(),
    }
    if arguments.passages:
        _refuse(arguments, "--passages", (*_OF_SEARCHES, *_OF_QUERIES, *_OF_PASSAGES))
        if arguments.target != "queries":
            raise InputError("--passages injects a fixed text and --target searches: give one of them")
        what, _, place = arguments.passages.partition(":")
        injection = settings_of(PassageAttackSettings, arguments, what=what, place=place or "start", **more)
        columns: Sequence[str] = ("qid", "docid", "rank", "rank_injected")
        return _done(arguments, columns, preview_injection, injection, lambda: run_attack_passages(injection).passages)
    if "budget" in arguments:
        more["budget"] = Budget.parse(arguments.budget)
    if arguments.target == "queries":
        _refuse(arguments, "--target queries", _OF_PASSAGES)
        attack = settings_of(AttackSettings, arguments, **more)
        return _done(arguments, AttackedQuery._fields, preview_attack, attack, lambda: run_attack(attack).queries)
    _refuse(arguments, f"--target {arguments.target}", _OF_QUERIES)
    promotion = settings_of(PromotionSettings, arguments, universal=arguments.target == "trigger", **more)
    columns = ("qid", "docid", "rank", "rank_promoted", "edits", "encoded", "similarity", "held_out")
    return _done(arguments, columns, preview_promotion, promotion, lambda: run_promotion(promotion).passages)


def _refuse(arguments: argparse.Namespace, mode: str, names: Sequence[str]) -> None:
    unused = [f"--{name}" for name in names if name in arguments]
    if unused:
        raise InputError(f"{', '.join(unused)} has no effect with {mode}: leave it out")


def _done(
    arguments: argparse.Namespace,
    columns: Sequence[str],
    preview: Callable[[Any], list[str]],
    settings: Any,
    attacked: Callable[[], Sequence[Any]],
) -> None:
    """Print the plan, or attack and print these columns of what was attacked."""
    if arguments.dry_run:
        print("\n".join(preview(settings)))
    else:
        print(render(columns, [[getattr(each, name) for name in columns] for each in attacked()], arguments.format))
