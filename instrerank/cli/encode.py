"""`instrerank encode`: passage vectors into a store, ahead of reranking, by one process or many."""

from __future__ import annotations

import argparse
from pathlib import Path

from instrerank.cli.inputs import (
    ENCODERS,
    add_engine_argument,
    add_passage_arguments,
    add_writing_arguments,
    positive,
    settings_of,
)
from instrerank.cli.loading import add_encoder_arguments, load_options_of
from instrerank.cli.messages import shows_progress
from instrerank.errors import InputError

DESCRIPTION = """Encode passages into the store, where rerank, study and attack find their vectors. A killed call loses
at most half a minute of work: run it again. Passages without text are left out and counted.

Shards depend on the passages alone: start the same command once for each --shard-id, on any machines
that share the store's file system, in any order (docs/scaling.md has a Slurm script). Or let a Ray
cluster (RAY_ADDRESS) do all shards with --engine ray.

--to writes the vectors of all passages for first-stage search elsewhere: faiss, an exact index that
Pyserini's FaissSearcher opens; anserini, JSONL that Anserini's JsonDenseVectorCollection reads.
"""
EPILOG = """examples:
  instrerank encode --corpus passages.jsonl --encoder minilm
  instrerank encode --corpus passages.jsonl --run run.bm25.txt --hits 100 --encoder intfloat/e5-base-v2 --store vectors
  instrerank encode --index indexes/pool --encoder minilm --store vectors --shard-id 3 --shard-num 16
  RAY_ADDRESS=10.0.0.1:6379 instrerank encode --corpus passages.jsonl --encoder minilm --store vectors --engine ray
  instrerank encode --corpus passages.jsonl --encoder minilm --to faiss --output indexes/minilm
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb; those of shards are Pyserini's."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_passage_arguments(parser)
    parser.add_argument("--encoder", required=True, help=f"bi-encoder: {ENCODERS}")
    parser.add_argument(
        "--run",
        dest="runs",
        metavar="RUN",
        nargs="+",
        default=[],
        help="encode only the candidates of these runs: files or irds:ID (default: all passages)",
    )
    parser.add_argument(
        "--hits", metavar="N", type=positive, help="number of candidates per topic of --run (default: all)"
    )
    parser.add_argument("--shard-id", metavar="I", type=int, default=0, help="shard to encode, from 0 (default 0)")
    parser.add_argument(
        "--shard-num",
        metavar="N",
        type=positive,
        default=1,
        help="number of shards (default 1; with --engine ray one for each GPU or group of cores)",
    )
    add_engine_argument(parser)
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help="what to do about candidates without text: error, or skip to leave them out and count them (default "
        "error)",
    )
    parser.add_argument("--to", choices=("faiss", "anserini"), help="also write all vectors for this program")
    parser.add_argument("--output", metavar="DIR", type=Path, help="folder to write, for --to")
    add_writing_arguments(parser, resume=False)
    add_encoder_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Encode a shard, or all of them, and write the vectors if --to asks for it."""
    from instrerank.jobs.encode import EncodeSettings, run_encode
    from instrerank.jobs.export_vectors import VectorSettings, export_vectors

    load = load_options_of(arguments)
    settings = settings_of(EncodeSettings, arguments, load=load, progress=shows_progress())
    if (arguments.to is None) != (arguments.output is None):
        raise InputError("--to and --output belong together")
    part = arguments.runs or (arguments.shard_num > 1 and arguments.engine == "local")
    if arguments.to and part:
        raise InputError("--to writes the vectors of all passages: leave out --run and --shard-num")
    run_encode(settings)
    if arguments.to:
        export_vectors(settings_of(VectorSettings, arguments, load=load))
