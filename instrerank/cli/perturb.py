"""`instrerank perturb`: make perturbed query sets from topics, or probes for shortcuts from relevant passages."""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

from instrerank.cli.inputs import (
    ENCODERS,
    add_format_argument,
    add_instructions_arguments,
    add_limit_argument,
    add_passage_arguments,
    add_qrels_argument,
    add_source_argument,
    add_topics_argument,
    add_writing_arguments,
    positive,
    settings_of,
)
from instrerank.cli.language_models import add_language_model_arguments
from instrerank.cli.loading import add_encoder_arguments, load_options_of
from instrerank.cli.messages import shows_progress
from instrerank.errors import InputError
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
_OF_PASSAGES = {"qrels": "--qrels", "corpus": "--corpus", "index": "--index", "relevance_level": "-l"} | {
    "per_topic": "--per-topic",
    "encoder": "--encoder",
}


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
    # absent unless given: on queries they would have no effect, and are refused
    add_qrels_argument(parser, required=False)
    add_passage_arguments(parser, required=False)
    parser.add_argument(
        "-l",
        dest="relevance_level",
        metavar="N",
        type=positive,
        default=argparse.SUPPRESS,
        help="minimum grade that counts as relevant (default 1; use 2 for TREC DL)",
    )
    parser.add_argument(
        "--per-topic",
        metavar="N",
        type=positive,
        default=argparse.SUPPRESS,
        help="number of relevant passages to probe for each topic and seed (default 5)",
    )
    parser.add_argument("--encoder", help=f"encoder whose win rates are reported: {ENCODERS} (default: pairs only)")
    add_source_argument(parser)
    add_format_argument(parser, "--table", what="the summary")
    add_writing_arguments(parser, resume=False)
    add_language_model_arguments(parser)
    add_encoder_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Write query sets and print the share of topics that each perturbation changed; or probes, and win rates."""
    if arguments.on == "passages":
        _on_passages(arguments)
    else:
        _on_queries(arguments)


def _on_passages(arguments: argparse.Namespace) -> None:
    from instrerank.jobs.probe import ProbeResult, ProbeSettings, run_probe
    from instrerank.perturbations.llm import LanguageModelOptions
    from instrerank.perturbations.probes import PROBES

    if arguments.qrels is None or (arguments.corpus or arguments.index) is None:
        raise InputError("--on passages needs --qrels, and --corpus or --index: it changes relevant passages")
    of_queries = ("format", *(each.name for each in fields(LanguageModelOptions)))
    unused = [f"--{name.replace('_', '-')}" for name in of_queries if name in arguments]
    if unused:
        raise InputError(f"{', '.join(unused)}: for query sets only, leave out with --on passages")
    settings = settings_of(
        ProbeSettings,
        arguments,
        probes=arguments.perturbations.split(","),
        load=load_options_of(arguments),
        progress=shows_progress(),
    )
    done = run_probe(settings)
    if done.results:
        print(render(ProbeResult._fields, done.results, arguments.table))
        return
    counts = Counter(pair.probe for pair in done.probes.pairs)
    rows: list[list[object]] = [[name, PROBES[name].expects, count] for name, count in counts.items()]
    print(render(["probe", "expects", "pairs"], rows, arguments.table))


def _on_queries(arguments: argparse.Namespace) -> None:
    unused = [flag for name, flag in _OF_PASSAGES.items() if vars(arguments).get(name) is not None]
    if unused or load_options_of(arguments).changed():
        what = ", ".join(unused) or "options of an encoder"
        raise InputError(f"{what}: for probes of passages only, with --on passages")
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
