"""Flags that several verbs share, and what they name: topics, passages, encoders."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from instrerank.cli.messages import log
from instrerank.errors import InputError
from instrerank.files import cache_folder, check_writable
from instrerank.tables import FORMATS

if TYPE_CHECKING:
    from instrerank.collections import PassageSource
    from instrerank.encoders import Cascade, Encoder, PairScorer
    from instrerank.trec import Topic

_Settings = TypeVar("_Settings")

_FOR_ANY_MODEL = (
    *("adapter", "max_length", "device", "dtype", "batch_tokens"),
    *("revision", "allow_bin", "trust_remote_code"),
)
_FOR_BIENCODERS = ("pooling", "query_template", "passage_template", "query_encoding")
_FOR_LANGUAGE_MODELS = ("prompt", "true_token", "false_token")


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


def load_topics_of(arguments: argparse.Namespace) -> list[Topic]:
    """Load what --topics names, with the instructions of --instructions; a topic that has none there gets none."""
    from instrerank.collections import load_instructions, load_topics

    topics = load_topics(arguments.topics)
    if not arguments.instructions:
        return topics
    instructions = load_instructions(arguments.instructions)
    return [topic._replace(instruction=instructions.get(topic.qid, "")) for topic in topics]


def add_passage_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add --corpus and --index, of which one may be given, and must be if `required`."""
    passages = parser.add_mutually_exclusive_group(required=required)
    passages.add_argument("--corpus", help="passages: a JSONL or TSV file, a folder, irds:ID or pocket")
    passages.add_argument("--index", help="Lucene index that stores its passages: a folder or a prebuilt name")


def open_passages_of(arguments: argparse.Namespace) -> PassageSource:
    """Open what --corpus or --index names."""
    if arguments.corpus:
        from instrerank.collections import open_passages

        return open_passages(arguments.corpus)
    from instrerank.anserini import IndexPassages

    return IndexPassages(arguments.index)


def add_encoder_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what overrules an encoder's profile."""
    model = parser.add_argument_group("how the encoder is loaded (its profile knows; these overrule it)")
    model.add_argument("--adapter", help="LoRA adapter: a folder or an id")
    model.add_argument("--pooling", help="mean, cls, last, …: needed for a model that no profile knows")
    model.add_argument("--query-template", metavar="T", help="literal, with {q} and {i}: 'query: {q} {i}'")
    model.add_argument("--passage-template", metavar="T", help="literal, with {d}: 'passage: {d}'")
    model.add_argument("--max-length", metavar="N", type=positive, help="tokens, special ones included")
    model.add_argument("--device", default="auto", help="auto, cpu, cuda:0 (default auto)")
    model.add_argument(
        "--query-encoding",
        choices=("concatenation", "attention"),
        help="how the instruction joins the query: by the template, or by InF-Embed's attention",
    )
    model.add_argument(
        "--dtype",
        default="float32",
        help="float32 (default), bfloat16, float16, int8, int8-openvino, auto; rerank: cascade",
    )
    model.add_argument("--batch-tokens", metavar="N", type=positive, help="tokens in a batch")
    model.add_argument("--revision", help="revision of a Hugging Face id")
    add_store_argument(model)
    model.add_argument("--allow-bin", action="store_true", help="read .bin weights where there is no safetensors file")
    model.add_argument("--trust-remote-code", action="store_true", help="run code that comes with the model")


def add_store_argument(parser: argparse._ActionsContainer) -> None:
    """Add --store."""
    parser.add_argument(
        "--store",
        metavar="DIR|none",
        help="folder that keeps passage vectors: none is encoded twice for the same model, template, length and text "
        "(default: store in $INSTRERANK_CACHE, else in ~/.cache/instrerank); none: keep none",
    )


def load_encoder_of(arguments: argparse.Namespace) -> Encoder:
    """Load the bi-encoder that --encoder names, as the other flags say."""
    from instrerank.encoders import load_encoder

    encoder = load_encoder(arguments.encoder, **_biencoder_options(arguments))
    log.debug(f"{encoder.name}, {encoder.dtype} on {encoder.device}: {encoder.profile}")
    return encoder


def print_passages_to_encode(encoder: Encoder, texts: Sequence[str], queries: str) -> None:
    """Say for --dry-run what the store spares of encoding these passages, and how many queries there are."""
    distinct = list(dict.fromkeys(texts))
    stored = encoder.count_stored(distinct)
    where = "stored (--store none)" if encoder.store is None else f"in the store {encoder.store.folder}"
    print(f"{encoder.name} in {encoder.dtype} on {encoder.device}")
    print(f"{len(distinct)} distinct texts of passages, {stored} of them {where}")
    print(f"to encode: {len(distinct) - stored} texts of passages, {queries} queries")


def _biencoder_options(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"store": store_of(arguments.store), **_given(arguments, *_FOR_ANY_MODEL, *_FOR_BIENCODERS)}


def default_store() -> Path:
    """Return where passage vectors are kept unless --store says otherwise."""
    return cache_folder() / "store"


def store_of(given: str | None) -> Path | None:
    """Return the folder that --store names, the default one, or None where vectors are not kept."""
    if given is not None:
        return None if given == "none" else Path(given)
    try:
        check_writable(default_store() / "any")
    except InputError as error:
        log.warning(f"passage vectors are not kept: {error}")
        return None
    return default_store()


def load_scorer_of(arguments: argparse.Namespace) -> Encoder | PairScorer | Cascade:
    """Load the bi-encoder (or cascade), cross-encoder or pointwise LLM that --encoder and --encoder-kind name.

    Raises:
        InputError: a flag was given that this kind has no use for.
    """
    from instrerank.encoders import load_cascade, load_pair_scorer

    kind = arguments.encoder_kind
    cascade = kind == "biencoder" and arguments.dtype == "cascade"
    useless = [] if kind == "biencoder" else [*_FOR_BIENCODERS, "store"]
    useless += [] if kind == "pointwise-llm" else _FOR_LANGUAGE_MODELS
    useless += [] if cascade else ["cascade_depth"]
    flags = ", ".join(f"--{name.replace('_', '-')}" for name in _given(arguments, *useless))
    if flags:
        raise InputError(f"{flags}: of no use with --encoder-kind {kind} --dtype {arguments.dtype}")
    if cascade:
        options = _biencoder_options(arguments) | {"depth": arguments.cascade_depth or 10}
        del options["dtype"]
        return load_cascade(arguments.encoder, **options)
    if kind == "biencoder":
        return load_encoder_of(arguments)
    return load_pair_scorer(arguments.encoder, kind, **_given(arguments, *_FOR_ANY_MODEL, *_FOR_LANGUAGE_MODELS))


def _given(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the flags that were given, so that the loader's own defaults hold for the others."""
    return {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}


def positive(text: str) -> int:
    """Read a whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: it is at least 1")
    return number
