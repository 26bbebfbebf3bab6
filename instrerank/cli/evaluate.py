"""`instrerank evaluate`: trec_eval's measures for one run, or several side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from instrerank.cli.inputs import add_format_argument, add_qrels_argument, add_relevance_argument, positive
from instrerank.cli.messages import log
from instrerank.errors import InputError
from instrerank.tables import render

DESCRIPTION = """Score runs with trec_eval's measures, or ir_measures'. The mean is over every judged topic, and
a missing one counts 0 (trec_eval's -c); how many were answered goes to standard error.

With --baseline the runs are compared with it, topic by topic: difference and its 95% bootstrap interval,
paired t-test and randomisation test, each corrected over the whole table, effect size, wins and losses.
Where nothing can be tested (one topic, no difference) the cell is a dash.

With --changed-qrels the runs were made under changed instructions and the baseline under the original
ones: the measures of either stand side by side, and p-MRR × 100 with its interval says whether what
stopped being relevant moved down (positive) or up. kept × 100 is the same of what stays relevant: where it
is positive too, the ranking is only worse.
"""
EPILOG = """examples:
  instrerank evaluate --qrels qrels.dl19.txt runs/*.txt
  instrerank evaluate --qrels qrels.dl19.txt -l 2 -m map -m recall.10,100 -q --format csv run.a.txt run.b.txt
  instrerank evaluate --qrels qrels.dl19.txt -m ndcg_cut.10 --baseline run.clean.txt --stability run.typo*.txt
  instrerank evaluate --qrels qrels.original.txt --changed-qrels qrels.changed.txt -m ndcg_cut.5 \\
      --baseline run.original.txt run.changed.txt
  instrerank evaluate --qrels irds:msmarco-passage/trec-dl-2019/judged -m official run.a.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", type=Path, help="run file, TREC or MS MARCO format, or irds:ID"
    )
    add_qrels_argument(parser)
    parser.add_argument(
        "-m",
        dest="measures",
        metavar="MEASURE",
        action="append",
        help="trec_eval's name, again for each: ndcg_cut.10, map, recall.50,100, official, all_trec; judged.10 for "
        "the share of judged documents; or ir_measures' name: nDCG@10, AP(rel=2), RR@10 "
        "(default: ndcg_cut.10, map, recip_rank, recall.100)",
    )
    add_relevance_argument(parser, ", except for nDCG")
    parser.add_argument(
        "--topics",
        help="average over these topics only (file, irds:ID or name); run: over the judged topics that every RUN "
        "answers, as trec_eval does without -c",
    )
    parser.add_argument("-q", dest="per_topic", action="store_true", help="also each topic")
    parser.add_argument("-M", dest="max_docs", metavar="N", type=positive, help="cut every ranking to N documents")
    parser.add_argument(
        "-c", action="store_true", help="accepted for trec_eval's sake: every judged topic counts, always"
    )
    parser.add_argument(
        "--remove-query",
        action="store_true",
        help="drop the document whose docid is the qid first (ArguAna, whose queries are documents)",
    )
    parser.add_argument("--baseline", metavar="RUN", type=Path, help="run to compare with")
    parser.add_argument(
        "--stability",
        action="store_true",
        help="with --baseline: also how alike the rankings are (overlap@10, rank-biased overlap, Kendall's tau)",
    )
    parser.add_argument(
        "--correction",
        choices=("holm", "bonferroni"),
        default="holm",
        help="of the p values, over all tests of the table (default holm)",
    )
    parser.add_argument("--changed-qrels", metavar="Q2", help="qrels under the changed instructions")
    parser.add_argument(
        "--reversed",
        dest="reversed_runs",
        metavar="RUN",
        action="append",
        type=Path,
        default=[],
        help="run under the reversed instructions, again for each RUN in the same order: adds InfoSearch's SICR and "
        "WISE to the table of --changed-qrels",
    )
    add_format_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate the runs and print one table; what needs saying about topics goes to standard error."""
    from instrerank.jobs import evaluate as jobs
    from instrerank.jobs import evaluation_tables as tables

    if arguments.stability and (arguments.changed_qrels or not arguments.baseline):
        raise InputError("--stability compares with a --baseline, and not under --changed-qrels")
    if arguments.reversed_runs and not arguments.changed_qrels:
        raise InputError("--reversed needs --changed-qrels, which tell what the instructions exclude")
    if arguments.changed_qrels and not arguments.baseline:
        raise InputError("--changed-qrels needs --baseline, the run under the original instructions")
    options: dict[str, Any] = {name: getattr(arguments, name) for name in ("relevance_level", "max_docs")}
    options |= {"measures": arguments.measures} if arguments.measures else {}
    runs, qrels, baseline = arguments.runs, arguments.qrels, arguments.baseline
    if arguments.changed_qrels:
        changed, reversed_runs = arguments.changed_qrels, arguments.reversed_runs
        followed = jobs.compare_instructions(runs, qrels, baseline, changed, reversed_runs=reversed_runs, **options)
        table = tables.instruction_table(followed)
    elif baseline:
        options |= {name: getattr(arguments, name) for name in ("topics", "remove_query", "correction", "stability")}
        compared = jobs.compare(runs, qrels, baseline, **options)
        tests = sum(row.difference is not None for row in compared)
        log.info(f"baseline {baseline}; {tests} tests, {arguments.correction} over all of them")
        table = tables.comparison_table(compared)
    else:
        evaluations = jobs.evaluate_all(
            runs, qrels, topics=arguments.topics, remove_query=arguments.remove_query, **options
        )
        table = tables.score_table(evaluations, per_topic=arguments.per_topic)
    print(render(*table, arguments.format))
