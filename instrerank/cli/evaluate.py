"""`instrerank evaluate`: trec_eval's measures for one run, or several side by side."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from instrerank.cli.tables import FORMATS, render

EPILOG = """examples:
  instrerank evaluate --qrels qrels.dl19.txt runs/*.txt
  instrerank evaluate --qrels qrels.dl19.txt -l 2 -m map -m recall.10,100 -q --format csv run.a.txt run.b.txt
  instrerank evaluate --qrels irds:msmarco-passage/trec-dl-2019/judged -m official run.a.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.epilog = EPILOG
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="run file, TREC or MS MARCO format")
    parser.add_argument("--qrels", required=True, help="qrels file, irds:ID or pocket")
    parser.add_argument(
        "-m",
        dest="measures",
        metavar="MEASURE",
        action="append",
        help="trec_eval's name, again for each: ndcg_cut.10, map, recall.50,100, official, all_trec "
        "(default: ndcg_cut.10, map, recip_rank, recall.100)",
    )
    parser.add_argument(
        "-l",
        dest="relevance_level",
        metavar="N",
        type=int,
        default=1,
        help="least grade that counts as relevant, except for nDCG (default 1; TREC DL wants 2)",
    )
    parser.add_argument("-q", dest="per_topic", action="store_true", help="also each topic")
    parser.add_argument("-M", dest="max_docs", metavar="N", type=int, help="cut every ranking to N documents first")
    parser.add_argument(
        "-c", action="store_true", help="accepted for trec_eval's sake: every judged topic counts, always"
    )
    parser.add_argument("--format", choices=FORMATS, default="table")


def run(arguments: argparse.Namespace) -> None:
    """Evaluate the runs and print one table; what needs saying about topics goes to standard error."""
    from instrerank.collections import load_qrels
    from instrerank.evaluation.measures import DEFAULT_MEASURES, evaluate
    from instrerank.trec import read_run
    from instrerank.trec.problems import listed

    qrels = load_qrels(arguments.qrels)
    evaluations = []
    for path in arguments.runs:
        evaluation = evaluate(
            read_run(path),
            qrels,
            arguments.measures or DEFAULT_MEASURES,
            relevance_level=arguments.relevance_level,
            max_docs=arguments.max_docs,
        )
        evaluations.append(evaluation)
        answered = len(qrels) - len(evaluation.missing)
        note = f"{path}: answered {answered} of {len(qrels)} judged topics"
        if evaluation.missing:
            note += f", the missing ones count 0: {listed(evaluation.missing)}"
        if evaluation.unjudged:
            note += f"; {len(evaluation.unjudged)} of its topics have no judgement and are left out"
        print(note, file=sys.stderr)

    rows: list[list[object]] = []
    for name in evaluations[0].means:
        for qid in sorted(qrels) if arguments.per_topic else ():
            rows.append([name, qid, *(_number(name, evaluation.per_query[qid][name]) for evaluation in evaluations)])
        rows.append([name, "all", *(_number(name, evaluation.means[name]) for evaluation in evaluations)])
    tags = [evaluation.run_tag for evaluation in evaluations]
    columns = tags if len(set(tags)) == len(tags) else [str(path) for path in arguments.runs]
    print(render(["measure", "topic", *columns], rows, arguments.format))


def _number(name: str, value: float) -> int | float:
    """Counts are whole numbers, as trec_eval prints them."""
    return round(value) if name.startswith("num_") else value
