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

DESCRIPTION = """List the model families whose templates are known, or show the exact strings that one model reads
for a query, an instruction and a passage, token by token. The weights of the model are not loaded.
"""
EPILOG = """examples:
  instrerank encoders
  instrerank encoders --family qwen3-embedding
  instrerank encoders minilm
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
    add_loading_arguments(model, "adapter", "pooling", "query_template", "passage_template", "query_encoding")
    add_loading_arguments(model, "max_length", "max_query_length", "max_passage_length", "revision")
    add_code_arguments(model)


def run(arguments: argparse.Namespace) -> None:
    """Print the families, or what a model reads."""
    from instrerank.jobs.encoders import ReadingSettings, list_families, read_model

    texts = {name: getattr(arguments, name) for name in ("query", "instruction", "passage")}
    given = {name: text for name, text in texts.items() if text is not None}
    if arguments.model is None:
        if given or load_options_of(arguments).changed():
            raise InputError("texts and loading flags are for one model: name it, as in `instrerank encoders minilm`")
        families = list_families(arguments.family)
        as_json = [each._asdict() for each in families]
        print(_json(as_json) if arguments.format == "json" else _listing(families))
        return
    if arguments.family is not None:
        raise InputError("give a model or `family`, not both")
    reading = read_model(ReadingSettings(model=arguments.model, options=load_options_of(arguments), **given))
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


def _as_data(reading: Reading) -> dict[str, object]:
    texts = [text._asdict() | {"tokens": [token._asdict() for token in text.tokens]} for text in reading.texts]
    return reading._asdict() | {"profile": dataclasses.asdict(reading.profile), "texts": texts}


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
