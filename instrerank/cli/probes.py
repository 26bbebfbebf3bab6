"""The half of `instrerank perturb` that is for passages: probes for shortcuts."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import fields

from instrerank.cli.inputs import ENCODERS, add_passage_arguments, add_qrels_argument, positive, settings_of
from instrerank.cli.loading import load_options_of
from instrerank.cli.messages import shows_progress
from instrerank.errors import InputError
from instrerank.tables import render

_FLAGS = {"qrels": "--qrels", "corpus": "--corpus", "index": "--index", "relevance_level": "-l"}
_FLAGS |= {"per_topic": "--per-topic", "encoder": "--encoder"}


def add_probe_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags, which are absent or None unless given: those that have no effect on queries can be refused."""
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


def refuse_probe_arguments(arguments: argparse.Namespace) -> None:
    """Refuse flags that have no effect on queries.

    Raises:
        InputError: names them.
    """
    unused = [flag for name, flag in _FLAGS.items() if vars(arguments).get(name) is not None]
    if unused or load_options_of(arguments).changed():
        what = ", ".join(unused) or "options of an encoder"
        raise InputError(f"{what}: for probes of passages only, with --on passages")


def run_on_passages(arguments: argparse.Namespace) -> None:
    """Make probes, and print the win rates of an encoder or the number of pairs."""
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
