"""`instrerank study`: models × instructions × query sets × seeds × modes, from one YAML file or from flags."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from instrerank.cli.inputs import add_store_argument, positive
from instrerank.cli.messages import log, shows_progress
from instrerank.cli.perturb import parse_seeds

EPILOG = """examples:
  instrerank study --collection pocket --encoders minilm --perturbations typo-mixed,word-swap --seeds 1..5 \\
      --candidates fixed,retrieve --output studies/pocket
  instrerank study study.yaml --output studies/dl19 --dry-run
  instrerank study study.yaml --output studies/dl19 --resume
"""

_LISTS = ("encoders", "conditions", "perturbations", "candidates")
_OTHERS = (
    *("collection", "topics", "qrels", "corpus", "index", "instructions", "changed_instructions", "changed_qrels"),
    *("name", "seeds", "hits", "search_hits", "k1", "b", "measures", "relevance_level"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb: the keys of the YAML file, which they overrule."""
    parser.epilog = EPILOG
    parser.add_argument("configuration", metavar="CONFIG.yaml", nargs="?", type=Path, help="the study (docs/study.md)")
    parser.add_argument("--output", metavar="DIR", required=True, type=Path, help="folder of the study")
    parser.add_argument("--resume", action="store_true", help="go on with the study that is there")
    parser.add_argument("--dry-run", action="store_true", help="show the plan, and do nothing")
    parser.add_argument("--collection", help="pocket or irds:ID, for topics, qrels and corpus together")
    parser.add_argument("--topics", help="topics file, irds:ID, pocket, or a Pyserini name")
    parser.add_argument("--qrels", help="qrels file, irds:ID, pocket, or a Pyserini name")
    parser.add_argument("--corpus", help="passages: a JSONL or TSV file, a folder, irds:ID or pocket")
    parser.add_argument("--index", help="Lucene index to search; passages come from it where there is no corpus")
    parser.add_argument("--run", dest="run_file", metavar="RUN", help="first-stage run of the clean topics")
    parser.add_argument("--name", help="of the collection, in the names of runs (default: of the topics)")
    parser.add_argument(
        "--encoders", type=_names, help="minilm, instrerank-minilm, ids or folders, separated by commas"
    )
    parser.add_argument("--instructions", metavar="FILE", help="the topics' own instructions")
    parser.add_argument("--changed-instructions", metavar="FILE", help="under which other passages are relevant")
    parser.add_argument("--changed-qrels", metavar="Q2", help="the judgements under those, for p-MRR")
    parser.add_argument("--conditions", type=_names, help="of the instruction: none, own, instruction-generic, …")
    parser.add_argument("--perturbations", type=_names, help="names or families, as perturb takes them")
    parser.add_argument("--seeds", type=parse_seeds, help="1,2,3 or 1..5 (default 1)")
    parser.add_argument("--candidates", type=_names, help="fixed, retrieve or both (default fixed)")
    parser.add_argument("--hits", type=positive, help="depth of reranking (default 100)")
    parser.add_argument("--search-hits", type=positive, help="depth of BM25 (default 1000)")
    parser.add_argument("--k1", type=float, help="BM25's k1 (default 0.9)")
    parser.add_argument("--b", type=float, help="BM25's b (default 0.4)")
    parser.add_argument("-m", dest="measures", metavar="MEASURE", action="append", help="as in evaluate")
    parser.add_argument(
        "-l", dest="relevance_level", metavar="N", type=positive, help="least relevant grade (default 1)"
    )
    add_store_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the plan, run it, list what failed, and say where the result is and what the answer is."""
    from instrerank.study import configure, make_plan, read_configuration, run_study
    from instrerank.study.preview import described, to_encode

    settings = read_configuration(arguments.configuration) if arguments.configuration else {}
    plan = make_plan(configure({**settings, **_given(arguments)}))
    folder, store = arguments.output, arguments.store
    if arguments.dry_run:
        print("\n".join([*described(plan, folder), *to_encode(plan, folder, store)]))
        return 0
    log.info("\n".join(described(plan, folder)))
    result = run_study(plan, folder, resume=arguments.resume, store=store, progress=shows_progress())
    for failure in result.failures:
        cell = failure.cell
        log.error(f"failed: {cell.mode} {'/'.join(cell.system)} {cell.variation.label}: {failure.reason}")
    log.info(
        f"{folder}: {len(plan.cells) - len(result.failures)} of {len(plan.cells)} runs, tables in {folder}/tables"
    )
    if result.report:
        log.info("\n".join([*result.answer, str(result.report)]))
    return 1 if result.failures else 0


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(arguments, name) for name in (*_LISTS, *_OTHERS)} | {"run": arguments.run_file}
    return {name: value for name, value in given.items() if value is not None}


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
