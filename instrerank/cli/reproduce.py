"""`instrerank reproduce`: conditions with known scores, run and compared."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from instrerank.cli.inputs import add_format_argument
from instrerank.cli.messages import coloured
from instrerank.errors import InputError, MissingPrerequisiteError

if TYPE_CHECKING:
    from instrerank.jobs.reproduce import Compared, Condition

DESCRIPTION = """Run conditions with known scores and compare. The verdicts are those of pyserini.2cr: OK if all four
digits agree; OKish if the score is at most 0.0005 lower, or higher; else FAIL.
"""
EPILOG = """examples:
  instrerank reproduce --list
  instrerank reproduce --condition pocket.bm25 --condition pocket.minilm
  instrerank reproduce --all --dry-run
"""

_COLOURS = {"OK": "green", "FAIL": "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb, named as in pyserini.2cr."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--list", action="store_true", help="list the conditions with their requirements and expected scores"
    )
    what.add_argument("--condition", metavar="NAME", action="append", help="condition to run; repeatable")
    what.add_argument("--all", action="store_true", help="run all conditions; report those that cannot run here")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and exit")
    add_format_argument(parser, what="--list")
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        default=Path("reproductions"),
        help="folder to write to (default reproductions)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run conditions, each command once, and compare; return 1 if a score fails, 3 if a prerequisite is missing."""
    from instrerank.jobs.reproduce import commands_of, compare, read_conditions, run_path

    conditions = read_conditions()
    if arguments.list:
        print(_listed(conditions.values(), arguments.format))
        return 0
    unknown = [name for name in arguments.condition or () if name not in conditions]
    if unknown:
        raise InputError(f"unknown condition {', '.join(unknown)}. Available: {', '.join(conditions)}")
    verdicts: list[str] = []
    done: dict[str, int] = {}
    for name in arguments.condition or conditions:
        condition = conditions[name]
        print(f"# {name}: {condition.display}")
        code = _run_commands(commands_of(condition, arguments.output), done, dry_run=arguments.dry_run)
        if code not in (0, MissingPrerequisiteError.exit_code):
            return code
        if code:
            verdicts.append("MISSING")
            print(f"  [MISSING] cannot run on this machine; needs {condition.needs or 'what the error above names'}")
        elif not arguments.dry_run:
            for compared in compare(condition, run_path(condition, arguments.output)):
                verdicts.append(compared.verdict)
                print(_described(compared, condition.source))
        print(flush=True)
    if "FAIL" in verdicts:
        return 1
    return MissingPrerequisiteError.exit_code if "MISSING" in verdicts else 0


def _run_commands(commands: Sequence[Sequence[str]], done: dict[str, int], *, dry_run: bool) -> int:
    """Print and run the commands, each at most once; return the first nonzero exit code."""
    from instrerank.cli import main

    for command in commands:
        line = shlex.join(command)
        if line not in done:
            print(f"$ instrerank {line}", flush=True)
            done[line] = 0 if dry_run else main(command)
        if done[line]:
            return done[line]
    return 0


def _described(compared: Compared, source: str) -> str:
    expected = compared.expected
    note = "no expected score yet" if expected is None else f"expected {expected:.4f} ({source})"
    mark = coloured(f"[{compared.verdict}]", _COLOURS.get(compared.verdict, "yellow"))
    return f"  {compared.measure:12}: {compared.score:.4f} {mark} {note}"


def _listed(conditions: Iterable[Condition], output_format: str) -> str:
    from instrerank.tables import render

    rows: list[list[object]] = []
    for condition in conditions:
        scores = [f"{measure} {'?' if score is None else score}" for measure, score in condition.scores.items()]
        rows.append([condition.name, condition.display, ", ".join(scores), condition.needs or "nothing else"])
    return render(["condition", "collection", "expected", "needs"], rows, output_format)
