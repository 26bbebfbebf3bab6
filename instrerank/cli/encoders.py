"""`instrerank encoders`: the known model families, and what one model reads, token by token."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from instrerank.cli import in_flags
from instrerank.cli.inputs import add_format_argument
from instrerank.cli.loading import add_code_arguments, add_loading_arguments, load_options_of
from instrerank.errors import InputError
from instrerank.tables import render

if TYPE_CHECKING:
    from instrerank.jobs.encoders import KnownFamily, Reading, TextRead
    from instrerank.jobs.rerankers import KnownReranker, RerankerReading

DESCRIPTION = """List the model families whose templates are known, or show the exact strings that one model reads
for a query, an instruction and a passage, token by token. The weights of the model are not loaded.
"""
EPILOG = """examples:
  instrerank encoders
  instrerank encoders --family qwen3-embedding
  instrerank encoders minilm
  instrerank encoders Qwen/Qwen3-Reranker-0.6B
  instrerank encoders instrerank-minilm --query "copper" --instruction "Only its chemistry." --passage "Copper rusts."
  instrerank encoders intfloat/e5-base-v2 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the verb."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        help="model to show: minilm, instrerank-minilm, a Hugging Face id, or a folder (default: list the families)",
    )
    parser.add_argument("--family", metavar="NAME", help="list only this family (default: all)")
    parser.add_argument("--query", metavar="TEXT", help="query to show (default: an example)")
    parser.add_argument("--instruction", metavar="TEXT", help="instruction to show (default: an example)")
    parser.add_argument("--passage", metavar="TEXT", help="passage to show (default: an example)")
    add_format_argument(parser, choices=("text", "json"))
    model = parser.add_argument_group("loading the encoder (these override its profile)")
    model.add_argument(
        "--encoder-kind",
        dest="kind",
        choices=("biencoder", "pointwise-llm"),
        default="biencoder",
        help="biencoder, or pointwise-llm, which the name of a known reranker selects by itself (default biencoder)",
    )
    add_loading_arguments(model, "prompt", "true_token", "false_token")
    add_loading_arguments(model, "adapter", "pooling", "query_template", "passage_template", "query_encoding")
    add_loading_arguments(model, "max_length", "max_query_length", "max_passage_length", "revision")
    add_code_arguments(model)


def run(arguments: argparse.Namespace) -> None:
    """Print the families, or what a model reads."""
    from instrerank.jobs.encoders import ReadingSettings, list_families, read_model
    from instrerank.jobs.rerankers import is_reranker, list_rerankers, read_reranker

    texts = {name: getattr(arguments, name) for name in ("query", "instruction", "passage")}
    given = {name: text for name, text in texts.items() if text is not None}
    if arguments.model is None:
        if given or load_options_of(arguments).changed():
            raise InputError("texts and loading flags are for one model: name it, as in `instrerank encoders minilm`")
        rerankers = list_rerankers(arguments.family)
        families = [] if arguments.family and rerankers else list_families(arguments.family)
        as_json = [*(each._asdict() for each in families), *(each._asdict() for each in rerankers)]
        tables = [*([_listing(families)] if families else []), *([_rerankers(rerankers)] if rerankers else [])]
        print(_json(as_json) if arguments.format == "json" else "\n\n".join(tables))
        return
    if arguments.family is not None:
        raise InputError("give a model or `family`, not both")
    settings = ReadingSettings(model=arguments.model, options=load_options_of(arguments), **given)
    if is_reranker(arguments.model, settings.options):
        asked = read_reranker(settings)
        print(_json(_asked_as_data(asked)) if arguments.format == "json" else _asked_as_text(asked))
        return
    reading = read_model(settings)
    print(_json(_as_data(reading)) if arguments.format == "json" else _as_text(reading, arguments.flags))


def _json(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False)


def _listing(families: list[KnownFamily]) -> str:
    rows = [
        {
            "family": each.family,
            "query": repr(each.query),
            "passage": repr(each.passage),
            "pooling": each.pooling,
            "instruction": each.instruction,
            "licence": each.licence or "not verified",
            "own code": "yes" if each.remote_code else "no",
            "example": each.example or None,
            "names": each.names,
        }
        for each in families
    ]
    return (
        render(list(rows[0]), [list(row.values()) for row in rows], "table")
        + "\n\ninstruction: trained, or appended where the family was not trained with free instructions"
        + "\nown code: whether --trust-remote-code is needed; names: pattern of the models' names"
    )


def _rerankers(rerankers: list[KnownReranker]) -> str:
    rows = [
        {
            "reranker": each.family,
            "prompt": repr(each.prompt),
            "answers": f"{each.true}, {each.false}" if each.false else each.true,
            "instruction": each.instruction,
            "licence": each.licence or "not verified",
            "example": each.example,
            "names": each.names,
        }
        for each in rerankers
    ]
    return (
        render(list(rows[0]), [list(row.values()) for row in rows], "table")
        + "\n\nrerankers read query and passage together: --encoder-kind pointwise-llm, --prompt NAME for other models"
    )


def _asked_as_data(reading: RerankerReading) -> dict[str, object]:
    return reading._asdict() | {"prompt": dataclasses.asdict(reading.prompt), "texts": _texts_as_data(reading.texts)}


def _asked_as_text(reading: RerankerReading) -> str:
    prompt = reading.prompt
    lines = [
        f"{reading.model}: {prompt.family}, a pointwise reranker",
        f"source: {prompt.source}" if prompt.source else "",
        f"prompt: {prompt.template!r}",
        f"answers: {prompt.true!r}, {prompt.false!r}" if prompt.false else f"answer: {prompt.true!r}",
        f"default instruction: {prompt.default_instruction!r}" if prompt.default_instruction else "",
        *(f"note: {note}" for note in reading.notes),
    ]
    return "\n".join([*filter(None, lines), *(_text(text) for text in reading.texts)])


def _texts_as_data(texts: list[TextRead]) -> list[dict[str, object]]:
    return [text._asdict() | {"tokens": [token._asdict() for token in text.tokens]} for text in texts]


def _as_data(reading: Reading) -> dict[str, object]:
    profile = dataclasses.asdict(reading.profile)
    return reading._asdict() | {"profile": profile, "texts": _texts_as_data(reading.texts)}


def _as_text(reading: Reading, flags: Mapping[str, str]) -> str:
    profile = reading.profile
    kind = f"{'+'.join(profile.pooling_modes)} pooling, {'cosine' if profile.normalize else 'dot product'}"
    lines = [
        f"{reading.model}: {profile.family}, {kind}",
        f"profile: {reading.origin}",
        *([f"overridden: {', '.join(reading.overridden)}"] if reading.overridden else []),
        *([f"licence: {reading.licence}"] if reading.licence else []),
        f"query template: {profile.query_template!r}",
        f"passage template: {profile.passage_template!r}",
        f"default instruction: {profile.default_instruction!r}" if profile.default_instruction else "",
        *(f"note: {in_flags(note, flags)}" for note in reading.notes),
    ]
    return "\n".join([*filter(None, lines), *(_text(text) for text in reading.texts)])


def _text(text: TextRead) -> str:
    tokens = " ".join(f"‹{token.token}›" if token.special else token.token for token in text.tokens)
    unpooled = sum(not token.pooled for token in text.tokens)
    said = [f"{len(text.tokens)} tokens of at most {text.max_length}"]
    said += [f"the first {unpooled} not pooled"] if unpooled else []
    said += [f"TRUNCATED: {text.tokens_lost} tokens lost, {text.lost!r}"] if text.tokens_lost else []
    return f"\n{text.what}: {text.text!r}\n  {tokens}\n  {'; '.join(said)}"
