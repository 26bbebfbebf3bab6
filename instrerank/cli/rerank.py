"""`instrerank rerank`: rerank a run and write the result with its sidecar."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import (
    ENCODERS,
    add_dry_run_argument,
    add_limit_argument,
    add_output_format_argument,
    add_passage_arguments,
    add_topics_argument,
    add_writing_arguments,
    positive,
    settings_of,
)
from instrerank.cli.loading import add_encoder_arguments, load_options_of
from instrerank.cli.messages import log, shows_progress

DESCRIPTION = """Rerank a run with an instruction-following bi-encoder, and write a sidecar that records how.

Each topic's own instruction (third TSV column, or field of the JSONL) is used unless --instruction or
--instructions is given. If the first stage has duplicate docids, the better rank is kept.
"""
EPILOG = """examples:
  instrerank rerank --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output run.txt
  instrerank rerank --run run.bm25.txt --topics topics.tsv --index indexes/pool --encoder intfloat/e5-base-v2 \\
      --instructions instructions.tsv --hits 100 --output run.e5.txt
  instrerank rerank --run irds:ID --topics irds:ID --corpus irds:ID --encoder minilm --hits 1000 --output run.txt
  instrerank rerank --run requests.jsonl --encoder minilm --output run.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb, named as in Pyserini where it has them."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "--run",
        dest="run_file",
        metavar="RUN",
        required=True,
        help="first-stage run: a file; irds:ID or mteb:TASK for its candidates; or rank_llm requests (.jsonl, "
        ".json), which include topics and passages",
    )
    add_topics_argument(parser, required=False)
    add_limit_argument(parser)
    add_passage_arguments(parser, required=False)
    parser.add_argument("--encoder", required=True, help=f"encoder to rerank with: {ENCODERS}")
    parser.add_argument("--output", required=True, type=Path, help="run file to write")
    instruction = parser.add_mutually_exclusive_group()
    instruction.add_argument(
        "--instruction", metavar="TEXT", help="one instruction for all topics (default: each topic's own instruction)"
    )
    instruction.add_argument(
        "--instructions",
        metavar="FILE",
        help="instructions by qid: TSV, JSONL or TREC narratives (default: each topic's own instruction)",
    )
    parser.add_argument(
        "--hits",
        metavar="N",
        type=positive,
        default=100,
        help="number of candidates per topic to rerank; lower ranks keep first-stage order (default 100)",
    )
    parser.add_argument(
        "--fusion",
        choices=("none", "interpolate", "rrf"),
        default="none",
        help="fusion with the first stage: interpolate for alpha · first-stage score + (1 − alpha) · reranker score, "
        "or rrf for reciprocal rank fusion, both as in pyserini.fusion (default none)",
    )
    parser.add_argument(
        "--alpha",
        type=float,
        default=0.5,
        help="weight of the first-stage score in --fusion interpolate; scores are not normalised, and BM25 scores are "
        "tens of times larger than cosines, so small values are usual (default 0.5)",
    )
    parser.add_argument(
        "--rrf.k", dest="rrf_k", metavar="K", type=int, default=60, help="constant k of --fusion rrf (default 60)"
    )
    parser.add_argument(
        "--max-passage",
        choices=("max", "first", "mean"),
        help="split long passages into windows that fit the encoder, and use the maximum, first or mean window score "
        "(default: truncate long passages, and count them)",
    )
    parser.add_argument(
        "--max-passage-stride",
        metavar="N",
        type=positive,
        help="tokens between the starts of windows (default: half a window)",
    )
    parser.add_argument("--runtag", metavar="TAG", help="tag of the run (default: the encoder's name)")
    add_output_format_argument(parser)
    parser.add_argument(
        "--exclude",
        metavar="FILE",
        help="documents that may not be retrieved for a topic, dropped from the run first: mteb:TASK (BRIGHT's "
        "excluded_ids, ArguAna's queries), or a file in the format of qrels",
    )
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help="what to do with missing input: error, or skip to rank candidates without text last, leave out topics "
        "without candidates, and rerank topics without an instruction by the query alone, counting each "
        "(default error)",
    )
    parser.add_argument(
        "--empty",
        choices=("error", "score-last"),
        default="error",
        help="what to do with a candidate that the collection has with an empty text: error, or score-last to rank it "
        "last and count it (default error)",
    )
    add_writing_arguments(parser)
    add_dry_run_argument(parser)
    add_encoder_arguments(parser, baselines=True)


def run(arguments: argparse.Namespace) -> None:
    """Rerank, and write the run and its sidecar, whole or not at all."""
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
        log.info(f"{settings.output} is complete and was made with the same configuration: nothing to do")
    else:
        log.info(f"{settings.output}: {execute(plan).summary}")
