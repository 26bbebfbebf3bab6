"""`instrerank study`: models × instructions × query sets × seeds × modes, from one YAML file or from flags."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from instrerank.cli.inputs import ENCODERS, add_qrels_argument, add_topics_argument, positive
from instrerank.cli.loading import add_store_argument
from instrerank.cli.messages import log, shows_progress
from instrerank.trec.problems import counted

EPILOG = """examples:
  instrerank study --collection pocket --encoders minilm --perturbations typo-mixed,word-swap --seeds 1..5 \\
      --candidates fixed,retrieve --output studies/pocket
  instrerank study study.yaml --output studies/dl19 --dry-run
  instrerank study study.yaml --output studies/dl19 --resume
"""

_CONDITIONS = "none, own, or names of instruction perturbations (default none; with --instructions none,own)"
_LISTS = ("encoders", "conditions", "perturbations", "probes", "candidates")
_OTHERS = (
    *("collection", "topics", "qrels", "corpus", "index", "instructions", "changed_instructions", "changed_qrels"),
    *("name", "seeds", "hits", "empty", "search_hits", "k1", "b", "measures", "relevance_level"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb: the keys of the YAML file, which they override."""
    parser.epilog = EPILOG
    add = parser.add_argument
    add(
        "configuration",
        metavar="CONFIG.yaml",
        nargs="?",
        type=Path,
        help="configuration of the study (see docs/study.md); flags override its keys",
    )
    add("--output", metavar="DIR", required=True, type=Path, help="folder of the study")
    add("--resume", action="store_true", help="continue the study in --output")
    add("--dry-run", action="store_true", help="print the plan and exit")
    add("--collection", help="collection that provides topics, qrels and corpus: pocket, irds:ID, or mteb:TASK")
    add_topics_argument(parser, required=False)
    add_qrels_argument(parser, required=False)
    add("--corpus", help="passages: a JSONL or TSV file, a folder, irds:ID, mteb:TASK, or pocket (default: the index)")
    add("--index", help="Lucene index to search: a folder or a prebuilt index")
    add("--run", dest="run_file", metavar="RUN", help="first-stage run of the clean topics (default: search --index)")
    add("--name", help="name of the collection in the names of runs (default: from the topics)")
    add("--encoders", type=_names, help=f"encoders, separated by commas: {ENCODERS}")
    add("--instructions", metavar="FILE", help="instructions by qid (default: each topic's own instruction)")
    add("--changed-instructions", metavar="FILE", help="instructions that change which passages are relevant")
    add("--changed-qrels", metavar="Q2", help="qrels under the changed instructions, for p-MRR")
    add("--conditions", type=_names, help=f"instruction conditions, separated by commas: {_CONDITIONS}")
    add("--perturbations", type=_names, help="perturbations, separated by commas: names or families, as in perturb")
    add("--probes", type=_names, help="probes for shortcuts, separated by commas, or probe for all (default: none)")
    add("--seeds", help="random seeds, such as 1,2,3 or 1..5 (default 1)")
    add("--candidates", type=_names, help="candidates of perturbed queries: fixed, retrieve or both (default fixed)")
    add("--hits", metavar="N", type=positive, help="number of candidates per topic to rerank (default 100)")
    add(
        "--empty",
        choices=("error", "score-last"),
        help="what to do with a candidate whose text is empty in the collection: error, or score-last to rank it last "
        "and count it (default error)",
    )
    add("--search-hits", metavar="N", type=positive, help="number of documents per topic from BM25 (default 1000)")
    add("--k1", type=float, help="BM25 k1 (default 0.9)")
    add("--b", type=float, help="BM25 b (default 0.4)")
    add("-m", dest="measures", metavar="MEASURE", action="append", help="measure, as in evaluate; repeatable")
    add(
        "-l",
        dest="relevance_level",
        metavar="N",
        type=positive,
        help="minimum grade that counts as relevant (default 1; use 2 for TREC DL)",
    )
    add_store_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan, run it, list failures, and print where the report is and what it found."""
    from instrerank.study import configure, make_plan, read_configuration, run_study
    from instrerank.study.preview import described, to_encode

    settings = read_configuration(arguments.configuration) if arguments.configuration else {}
    folder, store = arguments.output, arguments.store
    plan = make_plan(configure({**settings, **_given(arguments)}), folder, ask=not arguments.dry_run)
    if arguments.dry_run:
        print("\n".join([*described(plan, folder), *to_encode(plan, folder, store)]))
        return 0
    log.info("\n".join(described(plan, folder)))
    result = run_study(plan, folder, resume=arguments.resume, store=store, progress=shows_progress())
    for failure in result.failures:
        cell = failure.cell
        log.error(f"failed: {cell.mode} {'/'.join(cell.system)} {cell.variation.label}: {failure.reason}")
    complete = len(plan.cells) - sum(failure.cell in plan.cells for failure in result.failures)
    log.info(f"{folder}: {complete} of {counted(len(plan.cells), 'run')}, tables in {folder}/tables")
    if result.report:
        log.info("\n".join([*result.answer, str(result.report)]))
    return 1 if result.failures else 0


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(arguments, name) for name in (*_LISTS, *_OTHERS)} | {"run": arguments.run_file}
    return {name: value for name, value in given.items() if value is not None}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
