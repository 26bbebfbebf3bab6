"""`instrerank reproduce`: commands with the scores that are to come out of them, run and compared."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from instrerank.cli.inputs import add_format_argument
from instrerank.cli.messages import coloured
from instrerank.errors import InputError, MissingPrerequisiteError

DESCRIPTION = """Run conditions with known scores, and compare. The verdicts are those of pyserini.2cr: OK for the
same four digits; OKish for 0.0005 off, or better; FAIL.
"""
EPILOG = """examples:
  instrerank reproduce --list
  instrerank reproduce --condition pocket.bm25 --condition pocket.minilm
  instrerank reproduce --all --dry-run
"""

_COLOURS = {"OK": "green", "FAIL": "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb, those of pyserini.2cr."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="list the conditions, what they need and what is expected")
    what.add_argument("--condition", metavar="NAME", action="append", help="run one condition; again for each")
    what.add_argument("--all", action="store_true", help="run all; those that this machine cannot run are told")
    parser.add_argument("--dry-run", action="store_true", help="print the commands only")
    add_format_argument(parser, what="--list")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("reproductions"), help="folder (default reproductions)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run conditions, each command once, and compare; 1 if a score fails, 3 if something to run them is missing."""
    conditions = read_conditions()
    if arguments.list:
        _print_list(conditions, arguments.format)
        return 0
    unknown = [name for name in arguments.condition or () if name not in conditions]
    if unknown:
        raise InputError(f"no condition {', '.join(unknown)}; there are {', '.join(conditions)}")
    verdicts: list[str] = []
    done: dict[str, int] = {}
    for name in arguments.condition or conditions:
        condition = conditions[name]
        print(f"# {name}: {condition['display']}")
        code = _run_commands(commands_of(condition, arguments.output), done, dry_run=arguments.dry_run)
        if code not in (0, MissingPrerequisiteError.exit_code):
            return code
        if code:
            verdicts.append("MISSING")
            print("  [MISSING] this machine cannot run it; it needs " + (condition["needs"] or "what is said above"))
        elif not arguments.dry_run:
            verdicts += _compare(condition, run_path(condition, arguments.output))
        print(flush=True)
    if "FAIL" in verdicts:
        return 1
    return MissingPrerequisiteError.exit_code if "MISSING" in verdicts else 0


def read_conditions() -> dict[str, dict[str, Any]]:
    """Return the conditions by name, each with the fields of its collection (`<collection>.<what is done>`)."""
    import yaml

    matrix = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    conditions = {}
    for condition in matrix["conditions"]:
        name = condition["name"].partition(".")[0]
        collection = matrix["collections"][name]
        needs = [each["needs"] for each in (collection, condition) if "needs" in each]
        conditions[condition["name"]] = {**collection, **condition, "collection": name, "needs": "; ".join(needs)}
    return conditions


def run_path(condition: Mapping[str, Any], output: Path, *, first_stage: bool = False) -> Path:
    """Return where the run of a condition, or its first stage, is written."""
    from instrerank.trec.runs import run_name

    encoder = None if first_stage else condition.get("encoder")
    instructions = "none" if first_stage else condition.get("instructions", "none").rpartition(":")[2]
    name = run_name(condition["collection"], "bm25", Path(encoder or "none").name, instructions, "clean")
    return output / "runs" / name


def commands_of(condition: Mapping[str, Any], output: Path) -> list[list[str]]:
    """Return the commands that make the run of a condition."""
    index = condition.get("index", str(output / "indexes" / condition["collection"]))
    topics = ["--topics", condition["topics"], "--index", index]
    first_stage = str(run_path(condition, output, first_stage=True))
    commands = []
    if "corpus" in condition:
        commands.append(["index", "--corpus", condition["corpus"], "--index", index, "--overwrite"])
    commands.append(["search", *topics, "--hits", str(condition["hits"]), "--output", first_stage])
    if "encoder" in condition:
        instructions = ["--instructions", condition["instructions"]] if "instructions" in condition else []
        reranker = ["--encoder", condition["encoder"], *instructions, "--hits", "100"]
        written = ["--output", str(run_path(condition, output))]
        commands.append(["rerank", "--run", first_stage, *topics, *reranker, *written])
    return commands


def _run_commands(commands: Sequence[Sequence[str]], done: dict[str, int], *, dry_run: bool) -> int:
    """Print the commands and run them, but none twice; return the first exit code that is not 0."""
    from instrerank.cli import main

    for command in commands:
        line = shlex.join(command)
        if line not in done:
            print(f"$ instrerank {line}", flush=True)
            done[line] = 0 if dry_run else main(command)
        if done[line]:
            return done[line]
    return 0


def _compare(condition: Mapping[str, Any], run: Path) -> list[str]:
    """Print each score of a run with its verdict."""
    from instrerank.collections import load_qrels
    from instrerank.evaluation.measures import evaluate
    from instrerank.trec import read_run

    expected = condition["scores"]
    level = condition["relevance_level"]
    means = evaluate(read_run(run), load_qrels(condition["qrels"]), list(expected), relevance_level=level).means
    verdicts = []
    for (measure, wanted), score in zip(expected.items(), means.values(), strict=True):
        verdicts.append(verdict(score, wanted))
        note = "nothing expected yet" if wanted is None else f"expected {wanted:.4f} ({condition['source']})"
        told = coloured(f"[{verdicts[-1]}]", _COLOURS.get(verdicts[-1], "yellow"))
        print(f"  {measure:12}: {score:.4f} {told} {note}")
    return verdicts


def verdict(score: float, expected: float | None) -> str:
    """Return OK, OKish or FAIL by Pyserini's rule (pyserini/2cr/msmarco.py, 1.6.0), NEW where nothing is expected.

    A score is rounded to trec_eval's four digits: OK if it is the expected one, OKish if it is within 0.0005 or
    higher.
    """
    if expected is None:
        return "NEW"
    difference = round(round(score, 4) - expected, 4)
    if difference == 0:
        return "OK"
    return "OKish" if difference >= -0.0005 else "FAIL"


def _print_list(conditions: Mapping[str, Mapping[str, Any]], output_format: str) -> None:
    from instrerank.tables import render

    rows: list[list[object]] = []
    for name, condition in conditions.items():
        scores = [f"{measure} {'?' if score is None else score}" for measure, score in condition["scores"].items()]
        rows.append([name, condition["display"], ", ".join(scores), condition["needs"] or "nothing more"])
    print(render(["condition", "collection", "expected", "needs"], rows, output_format))
