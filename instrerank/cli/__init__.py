"""The command line: one thin module per verb, imported only when its verb is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

import instrerank
from instrerank.errors import InstrerankError

VERBS = {
    "index": "build a Lucene index of passages",
    "search": "BM25: a first-stage run",
    "rerank": "rerank a run with an instruction-following bi-encoder",
    "perturb": "make perturbed query sets: typos, paraphrases, instructions, injections",
    "constrain": "make instructions whose effect on relevance a program can verify",
    "attack": "search the query that hurts an encoder most, within an edit budget",
    "evaluate": "score runs with trec_eval's measures",
    "train": "train an encoder, or a LoRA adapter, to follow instructions",
    "study": "encoders × instructions × query sets × seeds: is retrieval robust, and is the difference significant?",
    "export": "a run in the form that a leaderboard or another tool asks for, checked first",
    "check": "say what is wrong with runs, qrels and topics, line by line",
    "doctor": "say what this machine has and what is missing",
    "reproduce": "run conditions with known scores, and compare",
    "demo": "the main job on the bundled collection, end to end",
}


def build_parser(verb: str | None = None) -> argparse.ArgumentParser:
    """Build the parser; only the module of `verb` is imported, so that `--help` stays quick."""
    parser = argparse.ArgumentParser(prog="instrerank", description=instrerank.__doc__)
    parser.add_argument("--version", action="version", version=f"instrerank {instrerank.__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, summary in VERBS.items():
        subparser = verbs.add_parser(
            name, help=summary, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name == verb:
            module = importlib.import_module(f"instrerank.cli.{name}")
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 done; 2 usage or bad input; 3 a missing prerequisite; 1 our own failure (with its traceback).
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verb = next((argument for argument in arguments if argument in VERBS), None)
    parsed = build_parser(verb).parse_args(arguments)
    try:
        return parsed.run(parsed) or 0
    except InstrerankError as error:
        print(f"instrerank {parsed.verb}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"instrerank {parsed.verb}: interrupted", file=sys.stderr)
        return 130
