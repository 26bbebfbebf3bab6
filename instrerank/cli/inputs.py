"""Flags that several verbs share, with one help text each, and the objects they name: passages, load options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from instrerank.tables import FORMATS

if TYPE_CHECKING:
    from instrerank.encoders import Encoder, LoadOptions

_Settings = TypeVar("_Settings")

ENCODERS = "minilm, instrerank-minilm, a Hugging Face id, or a folder"
"""What `--encoder` takes, for its help."""


def add_topics_argument(parser: argparse.ArgumentParser, *, required: bool = True, note: str = "") -> None:
    """Add --topics."""
    parser.add_argument(
        "--topics", required=required, help=f"topics: a file, irds:ID, pocket, or a Pyserini name{note}"
    )


def add_qrels_argument(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --qrels."""
    parser.add_argument("--qrels", required=required, help="qrels: a file, irds:ID, pocket, or a Pyserini name")


def add_relevance_argument(parser: argparse.ArgumentParser, note: str = "") -> None:
    """Add -l."""
    parser.add_argument(
        "-l",
        dest="relevance_level",
        metavar="N",
        type=positive,
        default=1,
        help=f"minimum grade that counts as relevant{note} (default 1; use 2 for TREC DL)",
    )


def add_format_argument(
    parser: argparse.ArgumentParser, flag: str = "--format", choices: Sequence[str] = FORMATS, what: str = "the output"
) -> None:
    """Add --format, whose first choice is the default, and --json."""
    chosen = parser.add_argument(
        flag, choices=choices, default=choices[0], help=f"format of {what} (default {choices[0]})"
    )
    parser.add_argument("--json", dest=chosen.dest, action="store_const", const="json", help=f"short for {flag} json")


def add_output_format_argument(parser: argparse.ArgumentParser) -> None:
    """Add --output-format of a run."""
    parser.add_argument(
        "--output-format", choices=("trec", "msmarco"), default="trec", help="format of the run file (default trec)"
    )


def add_instructions_arguments(parser: argparse.ArgumentParser, skip: str = "keep it without one") -> None:
    """Add --instructions and --missing; `skip` says what happens to a topic without an instruction there."""
    parser.add_argument(
        "--instructions", metavar="FILE", help="instructions by qid (default: each topic's own instruction)"
    )
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help=f"what to do with a topic that has no instruction in --instructions: error, or skip to {skip} "
        "(default error)",
    )


def add_limit_argument(parser: argparse.ArgumentParser) -> None:
    """Add --limit."""
    parser.add_argument("--limit", metavar="N", type=positive, help="use only the first N topics (default: all)")


def add_source_argument(parser: argparse.ArgumentParser) -> None:
    """Add --source."""
    parser.add_argument(
        "--source", help="name of the topics in output file names (default: from the name of --topics)"
    )


def add_dry_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add --dry-run."""
    parser.add_argument(
        "--dry-run", action="store_true", help="read and check all inputs, print the plan, and exit without writing"
    )


def add_writing_arguments(parser: argparse.ArgumentParser, *, resume: bool = True) -> None:
    """Add --overwrite and, for a verb that can continue where it stopped, --resume."""
    if resume:
        parser.add_argument(
            "--resume", action="store_true", help="continue an interrupted call; do nothing if it is complete"
        )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace existing output made with other settings or inputs (default: refuse)",
    )


def settings_of(kind: type[_Settings], arguments: argparse.Namespace, **more: Any) -> _Settings:
    """Return a job's settings from the flags named like its fields; `more` holds the others."""
    given = vars(arguments) | more
    return kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given})  # type: ignore[arg-type]


def add_passage_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --corpus and --index, which exclude each other; if `required`, one must be given."""
    passages = parser.add_mutually_exclusive_group(required=required)
    passages.add_argument("--corpus", help="passages: a JSONL or TSV file, a folder, irds:ID, or pocket")
    passages.add_argument("--index", help="Lucene index that stores its passages: a folder or a prebuilt index")


_LOADING: dict[str, dict[str, Any]] = {
    "prompt": {
        "metavar": "NAME|T",
        "help": "prompt of a pointwise LLM: followir, mistral-instruct, monot5, or a text with {q} and {d} "
        "(default: known from the model's name)",
    },
    "true_token": {
        "metavar": "TOKEN",
        "help": "token with which a pointwise LLM answers that a passage is relevant (default: the prompt's own)",
    },
    "false_token": {
        "metavar": "TOKEN",
        "help": "token with which a pointwise LLM answers that a passage is not relevant (default: the prompt's own)",
    },
    "adapter": {"help": "LoRA adapter, merged into the weights: a folder or a Hugging Face id"},
    "pooling": {
        "help": "pooling of token states: mean, cls, last, … (default: from the profile; required for a model "
        "without a profile)"
    },
    "query_template": {
        "metavar": "T",
        "help": "literal text of a query, with {q} and {i}, such as 'query: {q} {i}' (default: from the profile)",
    },
    "passage_template": {
        "metavar": "T",
        "help": "literal text of a passage, with {d}, such as 'passage: {d}' (default: from the profile)",
    },
    "query_encoding": {
        "choices": ("concatenation", "attention"),
        "help": "how query and instruction are combined: by the template, or by InF-Embed's instruction-query "
        "attention (default: from the profile)",
    },
    "max_length": {
        "metavar": "N",
        "help": "maximum tokens of a query and of a passage, special tokens included; of the whole input where both "
        "are read together (default: from the profile)",
    },
    "max_query_length": {
        "metavar": "N",
        "help": "maximum tokens of a query, special tokens included (default: from the profile)",
    },
    "max_passage_length": {
        "metavar": "N",
        "help": "maximum tokens of a passage, special tokens included (default: from the profile)",
    },
    "cascade_depth": {
        "metavar": "K",
        "help": "number of top ranks that --dtype cascade makes exact (default 10)",
    },
    "batch_tokens": {
        "metavar": "N",
        "help": "maximum tokens per batch, padding included (default: set for the device)",
    },
    "revision": {"help": "branch, tag or commit of a Hugging Face id (default: its main branch)"},
}
"""The flags of those `LoadOptions` whose default is None; `train` has some of them too."""


def add_loading_arguments(parser: argparse._ActionsContainer, *options: str) -> None:
    """Add the flags of some `LoadOptions` whose default is None."""
    for name in options:
        kind: dict[str, Any] = {"type": positive} if name.endswith(("length", "depth", "tokens")) else {}
        parser.add_argument(f"--{name.replace('_', '-')}", **kind, **_LOADING[name])


def add_encoder_arguments(parser: argparse.ArgumentParser, *, baselines: bool = False) -> None:
    """Add a flag for each of `LoadOptions`; with `baselines`, those of baselines and cascades too."""
    from instrerank.encoders.options import CASCADE, DTYPES, KINDS

    model = parser.add_argument_group("loading the encoder (these override its profile)")
    if baselines:
        model.add_argument(
            "--encoder-kind",
            dest="kind",
            choices=KINDS,
            default="biencoder",
            help="biencoder, or a baseline that reads query and passage together: crossencoder, or pointwise-llm "
            "such as monoT5 and FollowIR-7B (default biencoder)",
        )
        add_loading_arguments(model, "prompt", "true_token", "false_token", "cascade_depth")
    add_loading_arguments(model, "adapter", "pooling", "query_template", "passage_template", "query_encoding")
    add_loading_arguments(model, "max_length", "max_query_length", "max_passage_length")
    model.add_argument("--device", default="auto", help="device: auto, cpu, cuda, cuda:1, … (default auto)")
    dtypes = [dtype for dtype in DTYPES if baselines or dtype != CASCADE]
    model.add_argument(
        "--dtype",
        choices=dtypes,
        default="float32",
        metavar="DTYPE",
        help=f"precision: {', '.join(dtypes)} (default float32)",
    )
    add_loading_arguments(model, "batch_tokens", "revision")
    add_store_argument(model)
    model.add_argument(
        "--allow-bin",
        action="store_true",
        help="read .bin weights (restricted unpickling, no code) if the model has no safetensors file",
    )
    model.add_argument(
        "--trust-remote-code", action="store_true", help="run Python code from the model's own repository"
    )


def add_store_argument(parser: argparse._ActionsContainer) -> None:
    """Add --store."""
    parser.add_argument(
        "--store",
        metavar="DIR|none",
        default="default",
        help="folder where passage vectors are kept and reused; none to keep none (default: store in "
        "$INSTRERANK_CACHE, else in ~/.cache/instrerank)",
    )


def load_options_of(arguments: argparse.Namespace) -> LoadOptions:
    """Return the load options that the flags set."""
    from instrerank.encoders.options import LoadOptions

    return settings_of(LoadOptions, arguments)


def print_passages_to_encode(encoder: Encoder, texts: Sequence[str], queries: str) -> None:
    """Print for --dry-run how many passages and queries are to be encoded, and how many vectors are reused."""
    from instrerank.jobs.preview import to_encode

    print("\n".join(to_encode(encoder, texts, queries)))


def positive(text: str) -> int:
    """Parse a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return number
