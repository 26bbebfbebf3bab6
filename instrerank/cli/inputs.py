"""Flags that several verbs share, and what they name: topics, passages, encoders."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from instrerank.tables import FORMATS

if TYPE_CHECKING:
    from instrerank.encoders import Encoder, LoadOptions

_Settings = TypeVar("_Settings")


def add_topics_argument(parser: argparse.ArgumentParser, *, required: bool = True, note: str = "") -> None:
    """Add --topics."""
    parser.add_argument("--topics", required=required, help=f"{note}topics file, irds:ID, pocket, or a Pyserini name")


def add_qrels_argument(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --qrels."""
    parser.add_argument("--qrels", required=required, help="qrels file, irds:ID, pocket, or a Pyserini name")


def add_relevance_argument(parser: argparse.ArgumentParser, note: str = "") -> None:
    """Add -l."""
    parser.add_argument(
        "-l",
        dest="relevance_level",
        metavar="N",
        type=positive,
        default=1,
        help=f"least grade that counts as relevant{note} (default 1; TREC DL wants 2)",
    )


def add_format_argument(
    parser: argparse.ArgumentParser, flag: str = "--format", choices: Sequence[str] = FORMATS, what: str = "the output"
) -> None:
    """Add --format, of which the first choice is the default, and --json."""
    chosen = parser.add_argument(
        flag, choices=choices, default=choices[0], help=f"form of {what} (default {choices[0]})"
    )
    parser.add_argument(
        "--json", dest=chosen.dest, action="store_const", const="json", help=f"the same as {flag} json"
    )


def add_instructions_arguments(parser: argparse.ArgumentParser, without: str = "goes without one") -> None:
    """Add --instructions and --missing; `without` says what becomes of a topic that has none there."""
    parser.add_argument(
        "--instructions", metavar="FILE", help="instructions by qid (default: those that the topics have themselves)"
    )
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help=f"a topic without instruction in --instructions: error (default), or skip: it {without}",
    )


def add_limit_argument(parser: argparse.ArgumentParser) -> None:
    """Add --limit."""
    parser.add_argument("--limit", metavar="N", type=positive, help="only the first N topics, for a quick look")


def add_writing_arguments(parser: argparse.ArgumentParser, *, resume: bool = True) -> None:
    """Add --overwrite and, for a verb that can go on where it stopped, --resume."""
    if resume:
        parser.add_argument(
            "--resume", action="store_true", help="go on where an earlier call stopped; do nothing if it had finished"
        )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an output of other settings or inputs (default: refuse)"
    )


def settings_of(kind: type[_Settings], arguments: argparse.Namespace, **more: Any) -> _Settings:
    """Return a job's settings from the flags that bear the names of its fields; `more` holds the others."""
    given = vars(arguments) | more
    return kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given})  # type: ignore[arg-type]


def add_passage_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --corpus and --index, of which one may be given, and must be if `required`."""
    passages = parser.add_mutually_exclusive_group(required=required)
    passages.add_argument("--corpus", help="passages: a JSONL or TSV file, a folder, irds:ID or pocket")
    passages.add_argument("--index", help="Lucene index that stores its passages: a folder or a prebuilt name")


def add_encoder_arguments(parser: argparse.ArgumentParser, *, baselines: bool = False) -> None:
    """Add a flag for each of `LoadOptions`; `baselines`: for other kinds than bi-encoders, and cascades, too."""
    from instrerank.encoders.options import DTYPES, KINDS

    model = parser.add_argument_group("how the encoder is loaded (its profile knows; these overrule it)")
    if baselines:
        model.add_argument(
            "--encoder-kind",
            dest="kind",
            choices=KINDS,
            default="biencoder",
            help="crossencoder, pointwise-llm: baselines that read query and passage together, such as monoT5 and "
            "FollowIR-7B (default biencoder)",
        )
        model.add_argument(
            "--prompt",
            metavar="NAME|T",
            help="what a pointwise LLM is asked: followir, mistral-instruct, monot5, or a text with {q} and {d}",
        )
        model.add_argument("--true-token", metavar="TOKEN", help="a pointwise LLM's answer about a relevant passage")
        model.add_argument("--false-token", metavar="TOKEN", help="its answer about one that is not relevant")
        model.add_argument(
            "--cascade-depth", metavar="K", type=positive, help="ranks that --dtype cascade makes exact (default 10)"
        )
    model.add_argument("--adapter", help="LoRA adapter: a folder or an id")
    model.add_argument("--pooling", help="mean, cls, last, …: needed for a model that no profile knows")
    model.add_argument("--query-template", metavar="T", help="text of a query, with {q} and {i}: 'query: {q} {i}'")
    model.add_argument("--passage-template", metavar="T", help="text of a passage, with {d}: 'passage: {d}'")
    model.add_argument("--max-length", metavar="N", type=positive, help="tokens that are read, special ones included")
    model.add_argument("--max-query-length", metavar="N", type=positive, help="the same for queries only")
    model.add_argument("--max-passage-length", metavar="N", type=positive, help="the same for passages only")
    model.add_argument("--device", default="auto", help="auto, cpu, cuda:0 (default auto)")
    model.add_argument(
        "--query-encoding",
        choices=("concatenation", "attention"),
        help="how the instruction joins the query: by the template, or by InF-Embed's attention",
    )
    model.add_argument(
        "--dtype",
        choices=[dtype for dtype in DTYPES if baselines or dtype != "cascade"],
        default="float32",
        metavar="DTYPE",
        help=f"precision: {', '.join(dtype for dtype in DTYPES if baselines or dtype != 'cascade')} (default float32)",
    )
    model.add_argument("--batch-tokens", metavar="N", type=positive, help="tokens of one batch, padding included")
    model.add_argument("--revision", help="branch, tag or commit of a Hugging Face id")
    add_store_argument(model)
    model.add_argument("--allow-bin", action="store_true", help="read .bin weights where there is no safetensors file")
    model.add_argument("--trust-remote-code", action="store_true", help="run code that comes with the model")


def add_store_argument(parser: argparse._ActionsContainer) -> None:
    """Add --store."""
    parser.add_argument(
        "--store",
        metavar="DIR|none",
        default="default",
        help="folder that keeps passage vectors, so that they are reused for the same model, template, length and "
        "text (default: store in $INSTRERANK_CACHE, else in ~/.cache/instrerank); none: keep none",
    )


def load_options_of(arguments: argparse.Namespace) -> LoadOptions:
    """Return how the flags say that a model is loaded."""
    from instrerank.encoders.options import LoadOptions

    return settings_of(LoadOptions, arguments)


def print_passages_to_encode(encoder: Encoder, texts: Sequence[str], queries: str) -> None:
    """Say for --dry-run what the store spares of encoding these passages, and how many queries there are."""
    from instrerank.jobs.preview import to_encode

    print("\n".join(to_encode(encoder, texts, queries)))


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: it is at least 1")
    return number
