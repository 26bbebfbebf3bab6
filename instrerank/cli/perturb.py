"""`instrerank perturb`: make perturbed query sets from topics, or probes for shortcuts from relevant passages."""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from instrerank.cli.inputs import (
    add_format_argument,
    add_instructions_arguments,
    add_limit_argument,
    add_source_argument,
    add_topics_argument,
    add_writing_arguments,
    settings_of,
)
from instrerank.cli.language_models import add_language_model_arguments
from instrerank.cli.loading import add_encoder_arguments
from instrerank.cli.probes import add_probe_arguments, refuse_probe_arguments, run_on_passages
from instrerank.tables import render

EPILOG = """examples:
  instrerank perturb --topics topics.dl19.tsv --perturbations typo-mixed --seeds 1..10 --output querysets
  instrerank perturb --topics topics.tsv --instructions instructions.tsv --perturbations all --seeds 1,2 --output sets
  instrerank perturb --topics topics.tsv --perturbations typo-mixed:edits=2,typo-swap:on=instruction --output sets
  instrerank perturb --topics topics.tsv --perturbations recorded:file=variants.tsv:method=validated --output sets
  instrerank perturb --topics topics.tsv --perturbations llm-paraphrase,llm-voice --output sets \\
      --endpoint http://localhost:8000/v1 --model Qwen3-8B
  instrerank perturb --topics topics.tsv --perturbations typo-mixed+injection-task-front --output sets
  instrerank perturb --on passages --topics topics.tsv --qrels qrels.txt -l 2 --corpus passages.jsonl \\
      --perturbations probe --encoder minilm --output probes
  instrerank perturb --list
"""


class _List(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from instrerank.perturbations import describe
        from instrerank.perturbations.probes import FAMILY, PROBES

        rows: list[list[object]] = [[p.family, p.name, p.expects, p.summary, p.needs] for p in describe()]
        rows += [[FAMILY, p.name, p.expects, p.summary, "--on passages"] for p in PROBES.values()]
        print(render(["family", "perturbation", "expects", "what it does", "needs"], rows, "table"))
        parser.exit()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.epilog = EPILOG
    parser.add_argument("--list", action=_List, nargs=0, help="list all perturbations and exit")
    add_topics_argument(parser)
    add_limit_argument(parser)
    add_instructions_arguments(parser)
    parser.add_argument(
        "--perturbations",
        metavar="NAME[,NAME…]",
        required=True,
        help="perturbations, separated by commas: names, with options if needed (typo-mixed:edits=2), or several "
        "joined by +; families; or all, for every perturbation that needs nothing but topics. With --on passages: "
        "names of probes, or all",
    )
    parser.add_argument(
        "--on",
        choices=("queries", "passages"),
        default="queries",
        help="what to change: the topics, or relevant passages, which are made into pairs that probe for shortcuts "
        "(default queries)",
    )
    parser.add_argument(
        "--seeds",
        default="1",
        metavar="N,N|N..M",
        help="random seeds, such as 1,2,3 or 1..10, with one query set each (default 1)",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--format",
        default=argparse.SUPPRESS,
        help="file formats, separated by commas: tsv, jsonl (which records the edits) (default tsv,jsonl)",
    )
    add_probe_arguments(parser)
    add_source_argument(parser)
    add_format_argument(parser, "--table", what="the summary")
    add_writing_arguments(parser, resume=False)
    add_language_model_arguments(parser)
    add_encoder_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write query sets and print the share of topics that each perturbation changed; or probes, and win rates."""
    if arguments.on == "passages":
        run_on_passages(arguments)
        return
    refuse_probe_arguments(arguments)
    from instrerank.jobs.perturb import PerturbSettings, run_perturb
    from instrerank.perturbations.llm import LanguageModelOptions

    settings = settings_of(
        PerturbSettings,
        arguments,
        perturbations=arguments.perturbations.split(","),
        language_model=settings_of(LanguageModelOptions, arguments),
    )
    sets: dict[str, list[dict[str, Any]]] = {}
    for queries in run_perturb(settings):
        sets.setdefault(queries.provenance["perturbation"], []).append(queries.provenance)
    rows: list[list[object]] = [
        [name, first["family"], first["expects"], 1 + len(others), f"{_share(first, *others):.1f}"]
        for name, (first, *others) in sets.items()
    ]
    print(render(["perturbation", "family", "expects", "seeds", "changed %"], rows, arguments.table))


def _share(*sets: dict[str, Any]) -> float:
    """Return the percentage of topics that are changed, over all seeds."""
    return 100 * statistics.fmean(each["changed"] / each["topics"] for each in sets)
