"""`instrerank attack`: find the queries that hurt an encoder's ranking most, or inject text into passages."""

from __future__ import annotations

import argparse
from pathlib import Path

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
      --passages query:start --qrels qrels.txt
"""
PERTURBATIONS = (
    "perturbation that generates candidate queries (default typo-mixed); typo-mixed:on=instruction attacks the "
    "instruction"
)
STRATEGIES = (
    "search strategy: greedy edits the most important words and keeps the worst query; beam keeps several queries "
    "after each edit; worst takes the worst of random draws (default greedy)"
)
BUDGETS = "search budget per topic (default edits=1,candidates=200); --strategy beam also takes beam=5"
OBJECTIVES = (
    "what the attack minimises: overlap, the average overlap with the top 10 of the clean ranking; or a measure such "
    "as ndcg_cut.10, an oracle that needs --qrels (default overlap)"
)
INJECTIONS = (
    "attack passages instead of queries: inject query, keywords, task, criterion or role into one grade-0 candidate "
    "per topic, at start, middle, end or random (default place: start); needs --qrels"
)
_OF_QUERIES = ("perturbation", "strategy", "budget", "objective")


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
    # absent unless given: with --passages they would have no effect, and are refused
    add("--perturbation", default=argparse.SUPPRESS, help=PERTURBATIONS)
    add("--strategy", choices=("greedy", "beam", "worst"), default=argparse.SUPPRESS, help=STRATEGIES)
    add("--budget", default=argparse.SUPPRESS, help=BUDGETS)
    add("--objective", default=argparse.SUPPRESS, help=OBJECTIVES)
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
    from instrerank.jobs import attack, attack_passages
    from instrerank.jobs.preview import preview_attack
    from instrerank.perturbations.searching import Budget

    more = {"run": arguments.run_file, "load": load_options_of(arguments), "progress": shows_progress()}
    if arguments.passages:
        unused = [f"--{name}" for name in _OF_QUERIES if name in arguments]
        if unused:
            raise InputError(f"{', '.join(unused)} applies to attacks on queries: leave it out with --passages")
        what, _, place = arguments.passages.partition(":")
        injection = settings_of(
            attack_passages.PassageAttackSettings, arguments, what=what, place=place or "start", **more
        )
        if arguments.dry_run:
            victim = attack_passages.prepare(injection, dry_run=True).victim
            print("\n".join(preview_attack(victim, f"injected passages and a run in {arguments.output}")))
            return
        injected = attack_passages.run_attack_passages(injection).passages
        rows = [[each.qid, each.docid, each.rank, each.rank_injected] for each in injected]
        print(render(["qid", "docid", "rank", "rank_injected"], rows, arguments.format))
        return
    if "budget" in arguments:
        more["budget"] = Budget.parse(arguments.budget)
    settings = settings_of(attack.AttackSettings, arguments, **more)
    if arguments.dry_run:
        victim, tried = attack.prepare(settings, dry_run=True).victim, settings.budget.candidates
        print("\n".join(preview_attack(victim, f"a query set in {arguments.output}", tried)))
        return
    print(render(attack.AttackedQuery._fields, attack.run_attack(settings).queries, arguments.format))
