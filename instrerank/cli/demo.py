"""`instrerank demo`: index, search, rerank and evaluate the bundled collection, command by command."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from pathlib import Path

DESCRIPTION = """Index, search, rerank and evaluate the bundled collection `pocket`, printing each command.
Writes DIR/runs, DIR/qrels and DIR/indexes/pocket. Needs no network and no set-up; takes less than a minute.
"""
EPILOG = """examples:
  instrerank demo
  instrerank demo --output /tmp/demo --encoder minilm
"""
DEPTH = "100"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "--output", metavar="DIR", type=Path, default=Path("demo"), help="folder to write to (default demo)"
    )
    parser.add_argument(
        "--encoder", default="instrerank-minilm", help="encoder to rerank with (default instrerank-minilm)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the verbs that a user would type, printing each command, then one table of their scores."""
    from instrerank.cli import main
    from instrerank.collections import POCKET
    from instrerank.files import check_writable
    from instrerank.trec.runs import run_name

    output, encoder = arguments.output, arguments.encoder
    name = Path(encoder).name
    for kind in ("original", "changed"):
        target = check_writable(output / "qrels" / f"qrels.pocket.{kind}.txt")
        shutil.copyfile(POCKET / f"qrels.{kind}.txt", target)

    index = output / "indexes" / "pocket"
    first_stage = output / "runs" / run_name("pocket", "bm25", "none", "none", "clean")
    commands = [
        ["index", "--corpus", "pocket", "--index", str(index), "--overwrite"],
        [
            "search",
            "--index",
            str(index),
            "--topics",
            "pocket",
            "--output",
            str(first_stage),
            "--hits",
            DEPTH,
            "--overwrite",
        ],
    ]
    runs = {"BM25": first_stage}
    rerank = ["rerank", "--run", str(first_stage), "--topics", "pocket", "--index", str(index), "--encoder", encoder]
    for kind, label in (
        ("none", f"{name}, no instruction"),
        ("original", f"{name}, original instruction"),
        ("changed", f"{name}, changed instruction"),
    ):
        runs[label] = output / "runs" / run_name("pocket", "bm25", name, kind, "clean")
        instructions = [] if kind == "none" else ["--instructions", f"pocket:{kind}"]
        tag = f"{name}-{kind}"
        commands.append(
            [*rerank, *instructions, "--hits", DEPTH, "--runtag", tag, "--output", str(runs[label]), "--overwrite"]
        )
    for command in commands:
        print(f"$ instrerank {shlex.join(command)}", flush=True)
        code = main(command)
        if code:
            return code
    _report(runs, output)
    return 0


def _report(runs: dict[str, Path], output: Path) -> None:
    """Print the scores of all runs under both qrels, and where the files are."""
    from instrerank.evaluation.measures import evaluate
    from instrerank.tables import render
    from instrerank.trec import read_qrels, read_run

    original, changed = (read_qrels(output / "qrels" / f"qrels.pocket.{kind}.txt") for kind in ("original", "changed"))
    rows = []
    for label, path in runs.items():
        ranking = read_run(path)
        means = evaluate(ranking, original, ["ndcg_cut.10", "recip_rank", "recall.20"], relevance_level=2).means
        narrowed = evaluate(ranking, changed, ["ndcg_cut.10"]).means
        rows.append([label, *means.values(), *narrowed.values()])
    header = ["run", "nDCG@10", "RR", "R@20", "nDCG@10, changed qrels"]
    print(f"\n{render(header, rows, 'table')}")
    print(
        "\nThe changed instruction excludes some of the relevant passages; a reranker that follows it scores higher\n"
        "in the last column. pocket is a toy collection: it shows how things work and is not a research result.\n"
        f"\nRuns, each with its sidecar: {output / 'runs'}\nQrels: {output / 'qrels'}\n"
        "Next: run the README's four commands on your own topics and passages; see instrerank rerank --help"
    )
    sys.stdout.flush()
