"""`instrerank rerank`: a run in, a reranked run and its sidecar out."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import (
    add_encoder_arguments,
    add_limit_argument,
    add_passage_arguments,
    add_topics_argument,
    add_writing_arguments,
    load_options_of,
    positive,
    settings_of,
)
from instrerank.cli.messages import log, shows_progress

DESCRIPTION = """Rerank a run with an instruction-following bi-encoder, and write a sidecar that says how it was made.

A topic's own instruction (third TSV column, field of the JSONL) is used unless --instruction or
--instructions is given. Of a duplicate docid in the first stage the better rank is kept.
"""
EPILOG = """examples:
  instrerank rerank --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output run.txt
  instrerank rerank --run run.bm25.txt --topics topics.tsv --index indexes/pool --encoder intfloat/e5-base-v2 \\
      --instructions instructions.tsv --hits 100 --output run.e5.txt
  instrerank rerank --run irds:ID --topics irds:ID --corpus irds:ID --encoder minilm --hits 1000 --output run.txt
  instrerank rerank --run requests.jsonl --encoder minilm --output run.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb, under Pyserini's names where Pyserini has them."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "--run",
        dest="run_file",
        metavar="RUN",
        required=True,
        help="first-stage run; irds:ID for its candidates (scoreddocs); or rank_llm's requests (.jsonl, .json), which "
        "hold their topics and passages",
    )
    add_topics_argument(parser, required=False)
    add_limit_argument(parser)
    add_passage_arguments(parser, required=False)
    parser.add_argument("--encoder", required=True, help="minilm, instrerank-minilm, a Hugging Face id or a folder")
    parser.add_argument("--output", required=True, type=Path, help="run file to write")
    instruction = parser.add_mutually_exclusive_group()
    instruction.add_argument("--instruction", metavar="TEXT", help="one instruction for every topic")
    instruction.add_argument("--instructions", metavar="FILE", help="instructions by qid: TSV, JSONL, TREC narratives")
    parser.add_argument(
        "--hits",
        metavar="N",
        type=positive,
        default=100,
        help="candidates of each topic to rerank; the rest stays below in first-stage order (default 100)",
    )
    parser.add_argument(
        "--fusion",
        choices=("none", "interpolate", "rrf"),
        default="none",
        help="interpolate: alpha · first stage's score + (1 − alpha) · reranker's; rrf: reciprocal rank fusion; both "
        "as in pyserini.fusion (default none)",
    )
    parser.add_argument(
        "--alpha",
        type=float,
        default=0.5,
        help="weight of the first stage in interpolate, over raw scores: BM25's are tens of times larger than "
        "cosines, so small values are usual (default 0.5)",
    )
    parser.add_argument("--rrf.k", dest="rrf_k", metavar="K", type=int, default=60, help="k of rrf (default 60)")
    parser.add_argument(
        "--max-passage",
        choices=("max", "first", "mean"),
        help="cut long passages into windows as long as the encoder reads, and take the best, first or mean score "
        "(default: truncate, and count)",
    )
    parser.add_argument(
        "--max-passage-stride", metavar="N", type=positive, help="tokens between windows (default: half a window)"
    )
    parser.add_argument("--runtag", metavar="TAG", help="tag of the run (default: the encoder's name)")
    parser.add_argument("--output-format", choices=("trec", "msmarco"), default="trec", help="default trec")
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help="skip: rank candidates without text last, leave topics without candidates out, let topics without "
        "instruction go without, and count each (default error)",
    )
    add_writing_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="read everything, say what would be done, and stop")
    add_encoder_arguments(parser, baselines=True)


def run(arguments: argparse.Namespace) -> None:
    """Rerank, write the run whole or not at all, and its sidecar."""
    from instrerank.jobs.preview import preview
    from instrerank.jobs.rerank import RerankSettings, execute, prepare

    settings = settings_of(
        RerankSettings,
        arguments,
        run=arguments.run_file,
        load=load_options_of(arguments),
        progress=shows_progress(),
    )
    plan = prepare(settings, dry_run=arguments.dry_run)
    if arguments.dry_run:
        print("\n".join(preview(plan)))
    elif plan.complete:
        log.info(f"{settings.output} is complete, with this very configuration: nothing to do")
    else:
        log.info(f"{settings.output}: {execute(plan).summary}")
