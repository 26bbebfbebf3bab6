"""The flags of `LanguageModelOptions`: what language model writes variants, and which of them are accepted."""

from __future__ import annotations

import argparse
from typing import Any

from instrerank.cli.inputs import positive


def add_language_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags; those that are not given keep the defaults of `LanguageModelOptions`."""
    group = parser.add_argument_group("language model, for the perturbations llm-…")

    def add(flag: str, **settings: Any) -> None:
        group.add_argument(flag, default=argparse.SUPPRESS, **settings)

    add(
        "--endpoint",
        metavar="URL",
        help="base URL of a service that speaks OpenAI's chat completions, such as http://localhost:8000/v1 (default: "
        "only answers recorded in --output)",
    )
    add("--model", metavar="NAME", help="name of the language model at the endpoint (no default)")
    add(
        "--key-variable",
        metavar="NAME",
        help="environment variable with the endpoint's key, which is written nowhere (default OPENAI_API_KEY)",
    )
    add(
        "--request",
        metavar="JSON",
        type=_json,
        help="""further fields of each request, such as '{"temperature": 0.7}' (default: only the seed)""",
    )
    add("--timeout", metavar="SECONDS", type=float, help="seconds until an attempt counts as failed (default 60)")
    add(
        "--retries",
        metavar="N",
        type=int,
        help="attempts after a first one that timed out, could not connect, or was refused for now (default 5)",
    )
    add("--concurrency", metavar="N", type=positive, help="requests at the same time (default 4)")
    add(
        "--unanswered",
        choices=("error", "keep"),
        help="what to do with queries that the endpoint failed to answer: error, or keep to keep them unchanged "
        "(default error)",
    )
    add(
        "--meaning-encoder",
        metavar="ENCODER",
        help="encoder that compares each variant with its original, or none (default minilm)",
    )
    add("--meaning-floor", metavar="X", type=float, help="least cosine with which a variant is accepted (default 0.7)")
    add(
        "--nli",
        metavar="MODEL",
        help="NLI model that a variant must pass too: a folder or a Hugging Face id (default: none)",
    )


def _json(text: str) -> Any:
    from instrerank.errors import InputError
    from instrerank.files import parse_json

    try:
        return parse_json(text, "--request")
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
