"""The flags of `LoadOptions`: how a model is loaded."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from instrerank.cli.inputs import positive, settings_of

if TYPE_CHECKING:
    from instrerank.encoders import LoadOptions

_LOADING: dict[str, dict[str, Any]] = {
    "prompt": {
        "metavar": "NAME|T",
        "help": "prompt of a pointwise LLM: a family that `instrerank encoders` lists, such as qwen3-reranker, or a "
        "text with {q}, {i} and {d} (default: known from the model's name or folder)",
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
    "query_prompt": {
        "metavar": "NAME",
        "help": "prompt for queries among those in the model's folder, such as search_query (default: recognised by "
        "its name)",
    },
    "passage_prompt": {
        "metavar": "NAME",
        "help": "prompt for passages among those stored in the model's folder, such as search_document (default: "
        "recognised by its name)",
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
    "dim": {
        "metavar": "N",
        "help": "use only the first N dimensions of vectors, for models trained for it (Matryoshka); the store keeps "
        "whole vectors (default: all)",
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
        kind: dict[str, Any] = {"type": positive} if name.endswith(("length", "depth", "tokens", "dim")) else {}
        parser.add_argument(f"--{name.replace('_', '-')}", **kind, **_LOADING[name])


def add_encoder_arguments(parser: argparse.ArgumentParser, *, baselines: bool = False) -> None:
    """Add a flag for each of `LoadOptions`; with `baselines`, those of baselines and cascades too."""
    from instrerank.encoders.families.profiles import PLACEMENTS
    from instrerank.encoders.options import CASCADE, DTYPES, KINDS

    model = parser.add_argument_group("loading the encoder (these override its profile)")
    if baselines:
        model.add_argument(
            "--encoder-kind",
            dest="kind",
            choices=KINDS,
            default="biencoder",
            help="biencoder; late-interaction (ColBERT), which such a model's folder selects by itself; or a baseline "
            "that reads query and passage together: crossencoder, or pointwise-llm such as Qwen3-Reranker and monoT5 "
            "(default biencoder)",
        )
        add_loading_arguments(model, "prompt", "true_token", "false_token", "cascade_depth")
    add_loading_arguments(model, "adapter", "pooling", "query_template", "passage_template")
    add_loading_arguments(model, "query_prompt", "passage_prompt", "query_encoding")
    add_loading_arguments(model, "max_length", "max_query_length", "max_passage_length")
    model.add_argument(
        "--instruction-placement",
        choices=PLACEMENTS,
        default="slot",
        help="where the instruction stands: in the template's slot {i}; after the query, as in mteb, with the "
        "family's default instruction in the slot; or both (default slot)",
    )
    model.add_argument("--device", default="auto", help="device: auto, cpu, cuda, cuda:1, … (default auto)")
    dtypes = [dtype for dtype in DTYPES if baselines or dtype != CASCADE]
    model.add_argument(
        "--dtype",
        choices=dtypes,
        default="float32",
        metavar="DTYPE",
        help=f"precision: {', '.join(dtypes)} (default float32)",
    )
    add_loading_arguments(model, "dim", "batch_tokens", "revision")
    add_store_argument(model)
    add_code_arguments(model)


def add_code_arguments(parser: argparse._ActionsContainer) -> None:
    """Add --allow-bin and --trust-remote-code."""
    parser.add_argument(
        "--allow-bin",
        action="store_true",
        help="read .bin weights (restricted unpickling, no code) if the model has no safetensors file",
    )
    parser.add_argument(
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
