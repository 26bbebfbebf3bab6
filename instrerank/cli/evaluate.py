"""`instrerank evaluate`: trec_eval's measures for one run, or several side by side."""

from __future__ import annotations

import argparse
import logging
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from instrerank.cli.inputs import add_format_argument, add_qrels_argument, add_relevance_argument, positive
from instrerank.cli.messages import log
from instrerank.errors import InputError
from instrerank.tables import render

if TYPE_CHECKING:
    from instrerank.evaluation.measures import Evaluation
    from instrerank.trec import Qrels, Run

Table = tuple[list[str], list[list[object]]]
"""Header and rows."""

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
    parser.add_argument("-q", dest="per_topic", action="store_true", help="also each topic")
    parser.add_argument("-M", dest="max_docs", metavar="N", type=positive, help="cut every ranking to N documents")
    parser.add_argument(
        "-c", action="store_true", help="accepted for trec_eval's sake: every judged topic counts, always"
    )
    parser.add_argument(
        "--baseline",
        metavar="RUN",
        type=Path,
        help="run to compare with",
    )
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
    parser.add_argument(
        "--changed-qrels",
        metavar="Q2",
        help="qrels under the changed instructions",
    )
    parser.add_argument(
        "--reversed",
        dest="reverse",
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
    from instrerank.collections import load_qrels

    if arguments.stability and (arguments.changed_qrels or not arguments.baseline):
        raise InputError("--stability compares with a --baseline, and not under --changed-qrels")
    if arguments.reverse and not arguments.changed_qrels:
        raise InputError("--reversed needs --changed-qrels, which tell what the instructions exclude")
    qrels = load_qrels(arguments.qrels)
    if arguments.changed_qrels:
        header, rows = _instruction_table(arguments, qrels)
    elif arguments.baseline:
        header, rows = _comparison_table(arguments, qrels)
    else:
        header, rows = _score_table(arguments, qrels)
    print(render(header, rows, arguments.format))


def _evaluate(arguments: argparse.Namespace, path: Path, run: Run, qrels: Qrels) -> Evaluation:
    """Evaluate one run, and say on standard error which topics took part."""
    from instrerank.evaluation.measures import DEFAULT_MEASURES, evaluate
    from instrerank.trec.problems import listed

    evaluation = evaluate(
        run,
        qrels,
        arguments.measures or DEFAULT_MEASURES,
        relevance_level=arguments.relevance_level,
        max_docs=arguments.max_docs,
    )
    note = f"{path}: answered {len(qrels) - len(evaluation.missing)} of {len(qrels)} judged topics"
    if evaluation.missing:
        note += f", the missing ones count 0: {listed(evaluation.missing)}"
    if evaluation.unjudged:
        note += f"; {len(evaluation.unjudged)} of its topics have no judgement and are left out"
    log.log(logging.WARNING if evaluation.missing or evaluation.unjudged else logging.INFO, note)
    return evaluation


def _names(paths: list[Path], tags: list[str]) -> list[str]:
    """Name runs by their tags, or by their files where two have the same."""
    return tags if len(set(tags)) == len(tags) else [str(path) for path in paths]


def _score_table(arguments: argparse.Namespace, qrels: Qrels) -> Table:
    from instrerank.collections import load_run

    evaluations = [_evaluate(arguments, path, load_run(path), qrels) for path in arguments.runs]
    rows: list[list[object]] = []
    for name in evaluations[0].means:
        for qid in sorted(qrels) if arguments.per_topic else ():
            rows.append([name, qid, *(_number(name, evaluation.per_query[qid][name]) for evaluation in evaluations)])
        rows.append([name, "all", *(_number(name, evaluation.means[name]) for evaluation in evaluations)])
    return ["measure", "topic", *_names(arguments.runs, [each.run_tag for each in evaluations])], rows


def _comparison_table(arguments: argparse.Namespace, qrels: Qrels) -> Table:
    from instrerank.collections import load_run
    from instrerank.evaluation.significance import compare, corrected

    paths = [arguments.baseline, *arguments.runs]
    runs = [load_run(path) for path in paths]
    baseline, *evaluations = (_evaluate(arguments, path, run, qrels) for path, run in zip(paths, runs, strict=True))
    counts = [name for name in baseline.means if name.startswith(("num_", "gm_"))]
    if counts:
        raise InputError(f"{', '.join(counts)}: no mean over topics, so nothing to test; leave it out of -m")
    names = _names(arguments.runs, [each.run_tag for each in evaluations])
    compared = [
        (measure, name, compare(_by_topic(evaluation, measure), _by_topic(baseline, measure)))
        for measure in baseline.means
        for name, evaluation in zip(names, evaluations, strict=True)
    ]
    t_tests = corrected([each.p_t_test for *_, each in compared], arguments.correction)
    randomised = corrected([each.p_randomisation for *_, each in compared], arguments.correction)
    rows: list[list[object]] = [
        [
            *(measure, name, each.baseline, each.mean, each.difference, each.relative_difference),
            *(each.interval or (None, None)),
            *(each.p_t_test, p_t_test, each.p_randomisation, p_randomised, each.effect_size),
            *(each.wins, each.ties, each.losses),
        ]
        for (measure, name, each), p_t_test, p_randomised in zip(compared, t_tests, randomised, strict=True)
    ]
    log.info(f"baseline {arguments.baseline}; {len(rows)} tests, {arguments.correction} over all of them")
    if arguments.stability:
        rows += _stability_rows(arguments, runs, names, qrels)
    header = [
        *("measure", "run", "baseline", "mean", "difference", "relative", "95% from", "to", "p (t)"),
        *(
            "corrected p (t)",
            "p (randomisation)",
            "corrected p (randomisation)",
            "effect size",
            "wins",
            "ties",
            "losses",
        ),
    ]
    return header, rows


def _stability_rows(
    arguments: argparse.Namespace, runs: list[Run], names: list[str], qrels: Qrels
) -> list[list[object]]:
    """Return rows of the comparison table with a mean and its interval; nothing is tested."""
    from instrerank.evaluation.stability import stability_by_topic

    baseline, *others = runs
    rows: list[list[object]] = []
    for run, name in zip(others, names, strict=True):
        for measure, values in stability_by_topic(run, baseline, qrels, arguments.max_docs).items():
            mean, *interval = _mean_and_interval(values)
            rows.append([measure, name, None, mean, None, None, *interval, *[None] * 8])
    return rows


def _instruction_table(arguments: argparse.Namespace, qrels: Qrels) -> Table:
    from instrerank.collections import load_qrels, load_run
    from instrerank.evaluation.infosearch import gold_documents, sicr_by_topic, wise_by_topic
    from instrerank.evaluation.instructions import changed_documents, p_mrr_by_topic, run_under, under_instructions

    if not arguments.baseline:
        raise InputError("--changed-qrels needs --baseline, the run under the original instructions")
    if arguments.reverse and len(arguments.reverse) != len(arguments.runs):
        given = f"given {len(arguments.runs)} and {len(arguments.reverse)}"
        raise InputError(f"each RUN needs its --reversed, in the same order; {given}")
    qrels = under_instructions(qrels, "original")
    changed_qrels = under_instructions(load_qrels(arguments.changed_qrels), "changed")
    documents = changed_documents(qrels, changed_qrels, arguments.relevance_level)
    gold = gold_documents(qrels, changed_qrels, arguments.relevance_level)
    original = run_under(load_run(arguments.baseline), "original")
    baseline = _evaluate(arguments, arguments.baseline, original, qrels)
    runs = [run_under(load_run(path), "changed") for path in arguments.runs]
    evaluations = [
        _evaluate(arguments, path, run, changed_qrels) for path, run in zip(arguments.runs, runs, strict=True)
    ]
    rows: list[list[object]] = []
    names = _names(arguments.runs, [each.run_tag for each in evaluations])
    for place, (changed, name, evaluation) in enumerate(zip(runs, names, evaluations, strict=True)):
        followed = [
            p_mrr_by_topic(original, changed, documents),
            p_mrr_by_topic(original, changed, gold) if gold else {},
        ]
        if arguments.reverse:
            three = original, changed, load_run(arguments.reverse[place])
            followed += [sicr_by_topic(*three, gold), wise_by_topic(*three, gold, documents)]
        scores = [means[measure] for measure in baseline.means for means in (baseline.means, evaluation.means)]
        percentages = [
            each
            for values in followed
            for each in (*_mean_and_interval({qid: 100 * value for qid, value in values.items()}), len(values))
        ]
        rows.append([name, *scores, *percentages])
    measures = [f"{measure} {kind}" for measure in baseline.means for kind in ("original", "changed")]
    columns = ["p-MRR ×100", "95% from", "to", "topics", "kept ×100", "kept 95% from", "kept to", "kept topics"]
    for name in ("SICR", "WISE") if arguments.reverse else ():
        columns += [f"{name} ×100", f"{name} 95% from", f"{name} to", f"{name} topics"]
    return ["run", *measures, *columns], rows


def _mean_and_interval(values: Mapping[str, float]) -> tuple[float | None, float | None, float | None]:
    from instrerank.evaluation.significance import mean_interval

    if not values:
        return None, None, None
    scores = list(values.values())
    return statistics.fmean(scores), *(mean_interval(scores) or (None, None))


def _by_topic(evaluation: Evaluation, measure: str) -> list[float]:
    return [values[measure] for values in evaluation.per_query.values()]


def _number(name: str, value: float) -> int | float:
    """Counts are whole numbers, as trec_eval prints them."""
    return round(value) if name.startswith("num_") else value
