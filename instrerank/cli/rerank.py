"""`instrerank rerank`: a run in, a reranked run and its sidecar out."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from instrerank.cli.inputs import (
    add_encoder_arguments,
    add_passage_arguments,
    add_topics_argument,
    load_scorer_of,
    open_passages_of,
    positive,
    print_passages_to_encode,
)
from instrerank.cli.messages import log, shows_progress
from instrerank.errors import InputError

if TYPE_CHECKING:
    from instrerank.encoders import Cascade, Encoder, PairScorer
    from instrerank.reranking import Candidates, Windows
    from instrerank.trec import Run, Topic

DESCRIPTION = """Rerank a run with an instruction-following bi-encoder, and write a sidecar that says how it was made.

A topic's own instruction (third TSV column, field of the JSONL) is used unless --instruction or
--instructions is given. Duplicate docids of a first stage keep their better rank.
"""
EPILOG = """examples:
  instrerank rerank --run run.bm25.txt --topics topics.tsv --corpus passages.jsonl --encoder minilm --output run.txt
  instrerank rerank --run run.bm25.txt --topics topics.tsv --index indexes/pool --encoder intfloat/e5-base-v2 \\
      --instructions instructions.tsv --hits 100 --output run.e5.txt
  instrerank rerank --run irds:ID --topics irds:ID --corpus irds:ID --encoder minilm --hits 1000 --output run.txt
  instrerank rerank --run requests.jsonl --encoder minilm --output run.txt
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb; those that Pyserini has bear Pyserini's names."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "--run",
        dest="run_file",
        metavar="RUN",
        required=True,
        type=Path,
        help="first-stage run; irds:ID for its candidates (scoreddocs); or rank_llm's requests (.jsonl, .json), which "
        "hold their topics and passages",
    )
    add_topics_argument(parser, required=False)
    add_passage_arguments(parser, required=False)
    parser.add_argument("--encoder", required=True, help="minilm, instrerank-minilm, a Hugging Face id or a folder")
    parser.add_argument(
        "--encoder-kind",
        choices=("biencoder", "crossencoder", "pointwise-llm"),
        default="biencoder",
        help="crossencoder, pointwise-llm: baselines that read query and passage together, such as monoT5 and "
        "FollowIR-7B (default biencoder)",
    )
    parser.add_argument(
        "--prompt",
        metavar="NAME|T",
        help="pointwise-llm: followir, mistral-instruct, monot5, or a text with {q} and {d}",
    )
    parser.add_argument("--true-token", metavar="TOKEN", help="pointwise-llm: answer of a relevant passage")
    parser.add_argument("--false-token", metavar="TOKEN", help="pointwise-llm: answer of one that is not")
    parser.add_argument("--output", required=True, type=Path, help="the run to write")
    instruction = parser.add_mutually_exclusive_group()
    instruction.add_argument("--instruction", metavar="TEXT", help="one instruction for every topic")
    instruction.add_argument("--instructions", metavar="FILE", help="instructions by qid: TSV, JSONL, TREC narratives")
    parser.add_argument(
        "--hits",
        type=positive,
        default=100,
        help="depth: the rest of each topic stays below in first-stage order (default 100)",
    )
    parser.add_argument(
        "--cascade-depth",
        metavar="K",
        type=positive,
        help="--dtype cascade: so many are ranked as by float32 (default 10)",
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
        help="of interpolate, over raw scores: BM25's are tens of times larger than cosines, so give little (default "
        "0.5)",
    )
    parser.add_argument("--rrf.k", dest="rrf_k", metavar="K", type=int, default=60, help="k of rrf (default 60)")
    parser.add_argument(
        "--max-passage",
        choices=("max", "first", "mean"),
        help="cut long passages into windows and take the best, first or mean score (default: truncate, and count)",
    )
    parser.add_argument(
        "--max-passage-length", metavar="N", type=positive, help="tokens of a window (default: what the encoder reads)"
    )
    parser.add_argument(
        "--max-passage-stride", metavar="N", type=positive, help="tokens between windows (default: half the length)"
    )
    parser.add_argument("--runtag", metavar="TAG", help="tag of the run (default: the encoder's name)")
    parser.add_argument("--output-format", choices=("trec", "msmarco"), default="trec", help="default trec")
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help="skip: rank candidates without text last, leave topics without candidates out, and count (default error)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="do nothing if the output is there with this very configuration; refuse if with another",
    )
    parser.add_argument("--dry-run", action="store_true", help="read everything, say what would be done, and stop")
    add_encoder_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Rerank, write the run whole or not at all, then its sidecar."""
    from instrerank.files import check_writable, is_standard_stream
    from instrerank.jobs.provenance import reranking_counts, reranking_stage
    from instrerank.jobs.sidecar import configuration, described_source, described_texts, is_up_to_date, write_sidecar
    from instrerank.reranking import Fusion, rerank, select_candidates
    from instrerank.trec import write_run
    from instrerank.trec.runs import check_tag

    started = time.perf_counter()
    if arguments.output.resolve() == arguments.run_file.resolve() and not is_standard_stream(arguments.output):
        raise InputError(f"--output {arguments.output} is the first stage: name another file, or it would be lost")
    if not arguments.dry_run:
        check_writable(arguments.output)
    fusion = Fusion(arguments.fusion, arguments.alpha, arguments.rrf_k)
    tag = arguments.runtag or Path(arguments.encoder).name
    check_tag(tag)
    first_stage, topics, texts = _read(arguments)
    candidates, counts = select_candidates(first_stage, topics, texts, hits=arguments.hits, missing=arguments.missing)
    read = time.perf_counter()
    scorer = load_scorer_of(arguments)
    windows = _windows(arguments, scorer)
    retrieval = [
        {"name": "first stage", "tag": first_stage.tag, **described_source(arguments.run_file)},
        reranking_stage(
            scorer,
            kind=arguments.encoder_kind,
            hits=arguments.hits,
            fusion=fusion,
            windows=windows,
            missing=arguments.missing,
            output_format=arguments.output_format,
        ),
    ]
    data = {
        "topics": described_source(arguments.topics or arguments.run_file),
        "passages": described_texts(arguments.corpus or arguments.index or arguments.run_file, texts),
        "instructions": described_source(arguments.instructions or arguments.instruction or "none"),
    }
    if arguments.resume and is_up_to_date(arguments.output, configuration(tag, retrieval, data)):
        log.info(f"{arguments.output} is there, made under this very configuration: nothing to do")
        return
    if arguments.dry_run:
        _print_plan(arguments, candidates, texts, scorer, windows)
        return
    loaded = time.perf_counter()
    progress = shows_progress()
    reranked, scores = rerank(candidates, texts, scorer, tag=tag, fusion=fusion, windows=windows, progress=progress)
    write_run(arguments.output, reranked, arguments.output_format)
    ended = time.perf_counter()
    write_sidecar(
        arguments.output,
        tag=tag,
        retrieval=retrieval,
        data=data,
        counts=reranking_counts(candidates, counts, scores, reranked),
        seconds={"read": read - started, "load encoder": loaded - read, "rerank": ended - loaded},
    )
    notes = [f"{counts.queries} topics", f"{scores.passages} distinct passages"]
    for number, what in (
        (len(scores.passages_truncated), "passages truncated"),
        (len(scores.queries_truncated), "queries truncated"),
        (scores.pairs_truncated, "pairs truncated"),
        (counts.missing_texts, "candidates without text ranked last"),
        (len(counts.topics_without_candidates), "topics without candidates left out"),
    ):
        notes += [f"{number} {what}"] if number else []
    log.info(f"{arguments.output}: {', '.join(notes)}")


def _print_plan(
    arguments: argparse.Namespace,
    candidates: Sequence[Candidates],
    texts: Mapping[str, str],
    scorer: Encoder | PairScorer | Cascade,
    windows: Windows | None,
) -> None:
    """Say what would be read by the encoder, what the store spares it, and what would be written."""
    from instrerank.encoders import Cascade, Encoder
    from instrerank.reranking.scoring import cut_passages

    if isinstance(scorer, Cascade):
        print("cascade: what follows is the rough pass; some passages are encoded in float32 after it")
        scorer = scorer.rough
    needed = {document.docid: texts[document.docid] for each in candidates for document in each.reranked}
    pieces = cut_passages(needed, scorer, windows)
    topics = [each.topic for each in candidates]
    instructed = sum(bool(topic.instruction) for topic in topics)
    pairs = sum(len(each.reranked) for each in candidates)
    print(f"{len(topics)} topics, {instructed} of them with an instruction; {pairs} candidates to rerank")
    if isinstance(scorer, Encoder):
        queries = len({(topic.text, topic.instruction) for topic in topics})
        print_passages_to_encode(scorer, [part for parts in pieces.values() for part in parts], str(queries))
    else:
        print(f"{scorer.name} in {scorer.dtype} on {scorer.device}")
        print(f"to score: {sum(len(pieces[hit.docid]) for each in candidates for hit in each.reranked)} pairs")
    print(f"to write: {arguments.output}")


def _read(arguments: argparse.Namespace) -> tuple[Run, list[Topic], Mapping[str, str]]:
    """Read the first stage, its topics and its texts; rank_llm's requests are all three."""
    from instrerank.collections import load_run, load_topics
    from instrerank.integrations.rank_llm import read_requests
    from instrerank.reranking import candidate_docids

    passages = arguments.corpus or arguments.index
    topics: list[Topic] = []
    texts: Mapping[str, str] = {}
    if {".jsonl", ".json"} & set(arguments.run_file.suffixes):
        topics, first_stage, texts = read_requests(arguments.run_file)
    elif arguments.topics and passages:
        first_stage = load_run(arguments.run_file, keep_first_duplicate=True)
    else:
        raise InputError(f"{arguments.run_file} is a run: give its --topics, and its passages by --corpus or --index")
    if arguments.topics:
        topics = load_topics(arguments.topics)
    if passages:
        texts = open_passages_of(arguments).lookup(candidate_docids(first_stage, arguments.hits))
    return first_stage, _with_instructions(topics, arguments), texts


def _with_instructions(topics: list[Topic], arguments: argparse.Namespace) -> list[Topic]:
    from instrerank.collections import load_instructions
    from instrerank.trec.problems import listed

    if arguments.instruction:
        return [topic._replace(instruction=arguments.instruction) for topic in topics]
    if not arguments.instructions:
        return topics
    instructions = load_instructions(arguments.instructions)
    absent = [topic.qid for topic in topics if topic.qid not in instructions]
    if absent:
        raise InputError(
            f"{arguments.instructions} has no instruction for {len(absent)} of {len(topics)} topics: {listed(absent)}"
        )
    return [topic._replace(instruction=instructions[topic.qid]) for topic in topics]


def _windows(arguments: argparse.Namespace, scorer: Encoder | PairScorer | Cascade) -> Windows | None:
    from instrerank.reranking import Windows

    if arguments.max_passage is None:
        if arguments.max_passage_length or arguments.max_passage_stride:
            raise InputError("--max-passage-length and --max-passage-stride need --max-passage max, first or mean")
        return None
    length = arguments.max_passage_length or scorer.window_length
    return Windows(length, arguments.max_passage_stride or max(1, length // 2), arguments.max_passage)
