"""`instrerank evaluate`: score one run with trec_eval's measures, or several side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from instrerank.cli.inputs import add_format_argument, add_qrels_argument, add_relevance_argument, positive
from instrerank.cli.messages import log
from instrerank.errors import InputError
from instrerank.tables import render
from instrerank.trec.problems import counted

DESCRIPTION = """Score runs with the measures of trec_eval or ir_measures. Means are over all judged topics; topics
missing from a run count as 0 (trec_eval -c), and their number is reported on standard error.

With --baseline, runs are compared with the baseline topic by topic: difference with 95% bootstrap CI,
paired t-test and randomisation test, both corrected over the whole table, effect size, wins and losses.
Cells are a dash where no test is possible (one topic, no difference).

Benchmarks with measures of their own have them in the last rows, if --qrels names their task (mteb:NevIR) or
--benchmark says so: NevIR's paired accuracy, InstructIR's robustness@10, IFIR's nDCG@20 by level.

With --changed-qrels, the runs were made under changed instructions and the baseline under the original
ones: the table shows the measures under both, and p-MRR × 100 with its 95% CI, which is positive if
passages that stop being relevant moved down. kept × 100 is the same formula over passages that stay
relevant: if it is positive too, the ranking merely got worse.
"""
EPILOG = """examples:
  instrerank evaluate --qrels qrels.dl19.txt runs/*.txt
  instrerank evaluate --qrels qrels.dl19.txt -l 2 -m map -m recall.10,100 -q --format csv run.a.txt run.b.txt
  instrerank evaluate --qrels qrels.dl19.txt -m ndcg_cut.10 --baseline run.clean.txt --stability run.typo*.txt
  instrerank evaluate --qrels qrels.original.txt --changed-qrels qrels.changed.txt -m ndcg_cut.5 \\
      --baseline run.original.txt run.changed.txt
  instrerank evaluate --qrels mteb:NevIR -m recall.1 run.nevir.txt
  instrerank evaluate --qrels irds:msmarco-passage/trec-dl-2019/judged -m official run.a.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        type=Path,
        help="run: a file in TREC or MS MARCO format, irds:ID, or mteb:TASK",
    )
    add_qrels_argument(parser)
    parser.add_argument(
        "-m",
        dest="measures",
        metavar="MEASURE",
        action="append",
        help="measure, repeatable, by its trec_eval name (ndcg_cut.10, map, recall.50,100, official, all_trec), its "
        "ir_measures name (nDCG@10, AP(rel=2), RR@10), or judged.10 for the share of judged documents "
        "(default: ndcg_cut.10, map, recip_rank, recall.100)",
    )
    add_relevance_argument(parser, ", except in nDCG")
    parser.add_argument(
        "--topics",
        help="topics to average over: a file, irds:ID, mteb:TASK, or a name; or run, for the judged topics that every "
        "RUN retrieves documents for, as trec_eval without -c (default: all judged topics)",
    )
    parser.add_argument("-q", dest="per_topic", action="store_true", help="also print each topic's scores")
    parser.add_argument(
        "-M",
        dest="max_docs",
        metavar="N",
        type=positive,
        help="evaluate only the first N documents per topic (default: all)",
    )
    parser.add_argument(
        "-c", action="store_true", help="accepted for compatibility with trec_eval: all judged topics always count"
    )
    parser.add_argument(
        "--remove-query",
        action="store_true",
        help="drop the document whose docid is the qid, as for ArguAna, whose queries are documents",
    )
    parser.add_argument("--baseline", metavar="RUN", type=Path, help="run to compare the others with")
    parser.add_argument(
        "--stability",
        action="store_true",
        help="with --baseline: also print the similarity of rankings (overlap@10, rank-biased overlap, Kendall's tau)",
    )
    parser.add_argument(
        "--correction",
        choices=("holm", "bonferroni"),
        default="holm",
        help="correction of p values over all tests in the table (default holm)",
    )
    parser.add_argument(
        "--benchmark",
        choices=("nevir", "instructir", "ifir"),
        help="also print this benchmark's own measure: paired accuracy, robustness@10, nDCG@20 by level (default: of "
        "the task that --qrels names)",
    )
    parser.add_argument("--changed-qrels", metavar="Q2", help="qrels under the changed instructions, for p-MRR")
    parser.add_argument(
        "--reversed",
        dest="reversed_runs",
        metavar="RUN",
        action="append",
        type=Path,
        default=[],
        help="run under the reversed instructions, once per RUN in the same order; adds InfoSearch's SICR and WISE to "
        "the table of --changed-qrels",
    )
    add_format_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Evaluate the runs and print one table; notes about topics go to standard error."""
    from instrerank.jobs import evaluate as jobs
    from instrerank.jobs import evaluation_tables as tables

    if arguments.stability and (arguments.changed_qrels or not arguments.baseline):
        raise InputError("--stability needs --baseline, and cannot be combined with --changed-qrels")
    if arguments.reversed_runs and not arguments.changed_qrels:
        raise InputError("--reversed needs --changed-qrels, which define what the instructions exclude")
    if arguments.per_topic and arguments.baseline:
        raise InputError("-q prints each topic's scores, not comparisons: leave out --baseline")
    if arguments.changed_qrels and not arguments.baseline:
        raise InputError("--changed-qrels needs --baseline, the run under the original instructions")
    if arguments.benchmark and arguments.changed_qrels:
        raise InputError("--benchmark adds rows to tables of scores: leave out --changed-qrels")
    names = ("benchmark", "relevance_level", "max_docs", "topics", "remove_query")
    options: dict[str, Any] = {name: getattr(arguments, name) for name in names}
    options |= {"measures": arguments.measures} if arguments.measures else {}
    runs, qrels, baseline = arguments.runs, arguments.qrels, arguments.baseline
    if arguments.changed_qrels:
        changed, reversed_runs = arguments.changed_qrels, arguments.reversed_runs
        followed = jobs.compare_instructions(runs, qrels, baseline, changed, reversed_runs=reversed_runs, **options)
        table = tables.instruction_table(followed)
    elif baseline:
        compared = jobs.compare(
            runs, qrels, baseline, correction=arguments.correction, stability=arguments.stability, **options
        )
        tests = sum(row.difference is not None for row in compared)
        log.info(f"baseline {baseline}; {counted(tests, 'test')}, {arguments.correction} correction over all of them")
        table = tables.comparison_table(compared)
    else:
        evaluations = jobs.evaluate_all(runs, qrels, **options)
        table = tables.score_table(evaluations, per_topic=arguments.per_topic)
    print(render(*table, arguments.format))
