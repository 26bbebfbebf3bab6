"""`instrerank attack`: the queries, or the passages, that hurt an encoder's ranking most."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from instrerank.cli.inputs import (
    add_encoder_arguments,
    add_format_argument,
    add_instructions_arguments,
    add_limit_argument,
    add_passage_arguments,
    add_qrels_argument,
    add_relevance_argument,
    add_topics_argument,
    add_writing_arguments,
    load_options_of,
    positive,
    print_passages_to_encode,
    settings_of,
)
from instrerank.cli.messages import shows_progress
from instrerank.tables import render

if TYPE_CHECKING:
    from instrerank.jobs.victims import Victim

EPILOG = """examples:
  instrerank attack --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output attacks
  instrerank attack --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output attacks \\
      --objective ndcg_cut.10 --qrels qrels.txt --budget edits=2,candidates=500 --strategy beam
  instrerank attack --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output attacks \\
      --passages query:start --qrels qrels.txt
"""
ON = "typo-mixed:on=instruction attacks the instruction"
STRATEGIES = (
    "greedy: edit the words that matter most, keep the best query; beam: keep the best few queries after each edit; "
    "worst: the worst of random draws (default greedy)"
)
BUDGET = "default edits=1,candidates=200; --strategy beam also has beam=5"
OBJECTIVES = (
    "what the attack lowers: overlap, the average overlap with the top 10 of the clean ranking (default); or a "
    "measure such as ndcg_cut.10, an oracle that needs --qrels"
)
INJECTIONS = (
    "attack passages instead, by text injected into one grade-0 candidate of each topic: query, keywords, task, "
    "criterion or role, at start (default), middle, end or random; needs --qrels"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.epilog = EPILOG
    add = parser.add_argument
    add("--run", dest="run_file", metavar="RUN", required=True, type=Path, help="first-stage run: a file, or irds:ID")
    add_topics_argument(parser)
    add_limit_argument(parser)
    add_instructions_arguments(parser)
    add_passage_arguments(parser)
    add("--encoder", required=True, help="the victim: minilm, instrerank-minilm, a Hugging Face id or a folder")
    add("--output", required=True, type=Path, metavar="DIR", help="folder of the files")
    add("--hits", type=positive, default=100, help="candidates ranked for each topic (default 100)")
    add("--perturbation", default="typo-mixed", help=f"makes the candidate queries (default typo-mixed); {ON}")
    add("--strategy", choices=("greedy", "beam", "worst"), default="greedy", help=STRATEGIES)
    add("--budget", default="edits=1,candidates=200", help=f"limits for each topic ({BUDGET})")
    add("--objective", default="overlap", help=OBJECTIVES)
    add("--passages", metavar="WHAT[:PLACE]", help=INJECTIONS)
    add_qrels_argument(parser, required=False)
    add_relevance_argument(parser)
    add("--seed", type=int, default=1, help="random seed of the candidates (default 1)")
    add("--source", help="name of the topics in the names of the files (default: from the name of --topics)")
    add("--dry-run", action="store_true", help="read and check everything, print what would be done, and exit")
    add_format_argument(parser, what="the table of queries or passages")
    add_writing_arguments(parser, resume=False)
    add_encoder_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Attack queries (or instructions), or passages, and print what was found."""
    from instrerank.jobs import attack, attack_passages
    from instrerank.perturbations.attack import Budget

    more = {"run": arguments.run_file, "load": load_options_of(arguments), "progress": shows_progress()}
    if arguments.passages:
        what, _, place = arguments.passages.partition(":")
        injection = settings_of(
            attack_passages.PassageAttackSettings, arguments, what=what, place=place or "start", **more
        )
        if arguments.dry_run:
            _print_plan(attack_passages.prepare(injection, dry_run=True).victim, arguments)
            return
        injected = attack_passages.run_attack_passages(injection).passages
        rows = [[each.qid, each.docid, each.rank, each.rank_injected] for each in injected]
        print(render(["qid", "docid", "rank", "rank_injected"], rows, arguments.format))
        return
    settings = settings_of(attack.AttackSettings, arguments, budget=Budget.parse(arguments.budget), **more)
    if arguments.dry_run:
        _print_plan(attack.prepare(settings, dry_run=True).victim, arguments, settings.budget.candidates)
        return
    print(render(attack.AttackedQuery._fields, attack.run_attack(settings).queries, arguments.format))


def _print_plan(victim: Victim, arguments: argparse.Namespace, candidates: int = 0) -> None:
    topics, pairs = len(victim.topics), sum(map(len, victim.candidates.rankings.values()))
    print(f"{topics} topics, {pairs} candidates")
    tried = f" clean and up to {topics * candidates} perturbed" if candidates else ""
    print_passages_to_encode(victim.encoder, list(victim.texts.values()), f"{topics}{tried}")
    print(f"to write: {'passages and their run' if arguments.passages else 'a query set'} in {arguments.output}")
