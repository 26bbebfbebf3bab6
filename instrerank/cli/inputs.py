"""Flags that several verbs share, and what they name: passages, encoders."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrerank.cli.messages import log
from instrerank.errors import InputError
from instrerank.files import cache_folder, check_writable

if TYPE_CHECKING:
    from instrerank.collections import PassageSource
    from instrerank.encoders import Cascade, Encoder, PairScorer

_FOR_ANY_MODEL = (
    *("adapter", "max_length", "device", "dtype", "batch_tokens"),
    *("revision", "allow_bin", "trust_remote_code"),
)
_FOR_BIENCODERS = ("pooling", "query_template", "passage_template", "query_encoding")
_FOR_LANGUAGE_MODELS = ("prompt", "true_token", "false_token")


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
        help=f"folder that keeps passage vectors (default: {default_store()}); none: keep none",
    )


def load_encoder_of(arguments: argparse.Namespace) -> Encoder:
    """Load the bi-encoder that --encoder names, as the other flags say."""
    from instrerank.encoders import load_encoder

    encoder = load_encoder(arguments.encoder, **_biencoder_options(arguments))
    log.debug(f"{encoder.name}, {encoder.dtype} on {encoder.device}: {encoder.profile}")
    return encoder


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
