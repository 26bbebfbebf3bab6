"""`instrerank constrain`: topics, qrels and passages in; instructions with verified changed labels out."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

from instrerank.cli.inputs import (
    add_passage_arguments,
    add_qrels_argument,
    add_relevance_argument,
    add_topics_argument,
    load_topics_of,
    open_passages_of,
)
from instrerank.cli.messages import log
from instrerank.errors import InputError, InstrerankError

EPILOG = """examples:
  instrerank constrain --topics topics.tsv --qrels qrels.txt -l 2 --corpus passages.jsonl --output constraints
  instrerank constrain --topics pocket --qrels pocket --instructions pocket --corpus pocket --output pocket2
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.epilog = EPILOG
    add_topics_argument(parser)
    add_qrels_argument(parser)
    add_passage_arguments(parser)
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder of the files")
    parser.add_argument("--seed", type=int, default=1, help="draws the rules and their wording (default 1)")
    parser.add_argument("--instructions", metavar="FILE", help="instructions to narrow; other topics get a plain one")
    add_relevance_argument(parser)
    parser.add_argument(
        "--least-share",
        metavar="S",
        type=float,
        default=0.3,
        help="share of a topic's relevant passages that must stay at least, and must go at least (default 0.3)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the files, read them back and check every label again."""
    from instrerank.collections import load_qrels
    from instrerank.files import read_lines, whole_file
    from instrerank.perturbations.constraints import changed_qrels, constrain, verify
    from instrerank.perturbations.querysets import check_topics
    from instrerank.trec import read_qrels, write_qrels, write_topics

    topics = load_topics_of(arguments)
    check_topics(topics)
    qrels = load_qrels(arguments.qrels)
    judged = dict.fromkeys(docid for topic in topics for docid, grade in qrels.get(topic.qid, {}).items() if grade > 0)
    texts = {docid: text for docid, text in open_passages_of(arguments).lookup(judged).items() if text.strip()}
    constraints, without = constrain(
        topics,
        qrels,
        texts,
        arguments.seed,
        relevance_level=arguments.relevance_level,
        least_share=arguments.least_share,
    )
    for qid, reason in without.items():
        log.warning(f"topic {qid} left out: {reason}")
    if not constraints:
        raise InputError("no topic with a split: check that --qrels and the passages belong to these topics")
    original, changed = changed_qrels(constraints, qrels, texts)
    folder = arguments.output
    constrained = {each.qid for each in constraints}
    # rerank wants an instruction for every topic
    write_topics(
        folder / "topics.tsv", [topic._replace(instruction="") for topic in topics if topic.qid in constrained]
    )
    for name in ("original", "changed"):
        with whole_file(folder / f"instructions.{name}.tsv") as file:
            file.writelines(f"{each.qid}\t{' '.join(getattr(each, name).split())}\n" for each in constraints)
    with whole_file(folder / "changed.tsv") as file:
        file.writelines(f"{each.qid}\t{docid}\n" for each in constraints for docid in each.dropped)
    with whole_file(folder / "constraints.jsonl") as file:
        file.writelines(json.dumps(each.record(), ensure_ascii=False) + "\n" for each in constraints)
    write_qrels(folder / "qrels.original.txt", original)
    write_qrels(folder / "qrels.changed.txt", changed)

    records = [json.loads(line) for _, line in read_lines(folder / "constraints.jsonl")]
    written = [read_qrels(folder / f"qrels.{name}.txt") for name in ("original", "changed")]
    problems = verify(records, written[0], written[1], texts)
    if problems:
        raise InstrerankError(f"{len(problems)} labels do not hold, first: {problems[0]}")
    unread = len(judged) - len(texts)
    kinds = Counter(each.rule.kind for each in constraints)
    labels = sum(len(grades) for grades in changed.values())
    dropped = sum(len(each.dropped) for each in constraints)
    log.info(
        f"{folder}: {len(constraints)} of {len(topics)} topics, {dropped} passages stop being relevant, "
        f"{labels} labels verified; rules: {', '.join(f'{kind} {count}' for kind, count in kinds.most_common())}"
        + (f"; {unread} positive labels without a text left out" if unread else "")
    )
