"""`instrerank perturb`: topics in, perturbed query sets out."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from instrerank.cli.inputs import add_format_argument, add_topics_argument, load_topics_of
from instrerank.cli.messages import log
from instrerank.errors import InputError
from instrerank.tables import render

EPILOG = """examples:
  instrerank perturb --topics topics.dl19.tsv --perturbations typo-mixed --seeds 1..10 --output querysets
  instrerank perturb --topics topics.tsv --instructions instructions.tsv --perturbations all --seeds 1,2 --output sets
  instrerank perturb --topics topics.tsv --perturbations typo-mixed:edits=2,typo-swap:on=instruction --output sets
  instrerank perturb --topics topics.tsv --perturbations recorded:file=variants.tsv:method=validated --output sets
  instrerank perturb --list
"""


class _List(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from instrerank.perturbations import describe

        rows: list[list[object]] = [[p.family, p.name, p.expects, p.summary, p.needs] for p in describe()]
        print(render(["family", "perturbation", "expects", "what it does", "needs"], rows, "table"))
        parser.exit()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.epilog = EPILOG
    parser.add_argument("--list", action=_List, nargs=0, help="list all perturbations and stop")
    add_topics_argument(parser)
    parser.add_argument(
        "--perturbations",
        metavar="NAME[,NAME…]",
        required=True,
        help="names (with options: typo-mixed:edits=2), families, or all (that need nothing but topics)",
    )
    parser.add_argument("--seeds", type=parse_seeds, default=[1], metavar="N,N|N..M", help="default 1")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder of the query sets")
    parser.add_argument("--format", default="tsv,jsonl", help="tsv, jsonl (with the edits) or both (default)")
    parser.add_argument("--instructions", metavar="FILE", help="instructions by qid; topics without one keep none")
    parser.add_argument("--source", help="names the topics in the files (default: from the name of --topics)")
    add_format_argument(parser, "--table", what="the summary")


def run(arguments: argparse.Namespace) -> None:
    """Write one query set for each perturbation and seed, then say what was changed."""
    from instrerank.files import whole_file
    from instrerank.perturbations import query_set, resolve_all, write_query_set
    from instrerank.perturbations.querysets import source_name

    perturbations = resolve_all(arguments.perturbations.split(","))
    topics = load_topics_of(arguments)
    source = arguments.source or source_name(arguments.topics)
    without = sum(not topic.instruction for topic in topics)
    rows: list[list[object]] = []
    written: list[dict[str, Any]] = []
    skipped = []
    for perturbation in perturbations:
        changed = 0
        # one draw is enough where every seed gives the same text
        seeds = arguments.seeds if perturbation.seeded else arguments.seeds[:1]
        for seed in seeds:
            queries = query_set(topics, perturbation, seed, source)
            if perturbation.changes == "instruction" and without == len(topics) and not queries.provenance["changed"]:
                skipped.append(perturbation.name)
                break
            paths = write_query_set(arguments.output, queries, arguments.format.split(","))
            written.append({"name": queries.name, "files": [path.name for path in paths]} | queries.provenance)
            changed += queries.provenance["changed"]
        else:
            share = f"{100 * changed / (len(topics) * len(seeds)):.1f}"
            rows.append([perturbation.name, perturbation.family, perturbation.expects, len(seeds), share])
    if skipped:
        log.warning(f"no topic has an instruction, so nothing to perturb by {', '.join(skipped)}")
    if not written:
        raise InputError("nothing written; give --instructions FILE, or topics that bear an instruction")
    with whole_file(arguments.output / f"querysets.{source}.jsonl") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in written)
    print(render(["perturbation", "family", "expects", "seeds", "changed %"], rows, arguments.table))
    note = f", {without} of them without instruction" if without < len(topics) else ""
    log.info(f"{arguments.output}: {len(written)} query sets of {len(topics)} topics{note}")


def parse_seeds(text: str) -> list[int]:
    """Return the seeds of `1,2,3`, `1..10` or `1..3,7`.

    Raises:
        argparse.ArgumentTypeError: something else, or an empty range.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", part.strip())
        last = int(match[2] or match[1]) if match else -1
        if not match or last < int(match[1]):
            raise argparse.ArgumentTypeError(f"{text!r}: give seeds like 1,2,3 or 1..10")
        seeds += range(int(match[1]), last + 1)
    return list(dict.fromkeys(seeds))
