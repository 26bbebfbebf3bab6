"""The one place where templates are filled in to give the text that an encoder reads."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from instrerank.encoders.families.profiles import EncoderProfile, Placement
from instrerank.errors import InputError

FIELD = re.compile(r"\{(q|i|d|\?|\()\}")
"""A field of a template: query, instruction, passage, Promptriever's question mark, an opening brace."""


class EncoderText(NamedTuple):
    """A text for the tokenizer.

    Attributes:
        text: all of it.
        prefix: its part before the query or passage itself.
        fields: where query, instruction and passage lie in the text; the rest is the template's. (): all is theirs.
    """

    text: str
    prefix: str = ""
    fields: tuple[tuple[int, int], ...] = ()


def query_text(profile: EncoderProfile, query: str, instruction: str = "") -> EncoderText:
    """Combine a query and its instruction by the profile's template.

    Without an instruction the profile's default instruction is used; if it has none, the separator between query and
    instruction is dropped too.

    Raises:
        InputError: the query is empty, or the template has no place for the instruction, or needs one.
    """
    if not query.strip():
        raise InputError("cannot encode an empty query: remove it from the topics, or give it a text")
    template = profile.query_template
    instruction = instruction if instruction.strip() else profile.default_instruction
    if not instruction:
        template = profile.query_only_template or _without_instruction(template)
    elif "{i}" not in template:
        raise InputError(
            f"the query template {template!r} has no {{i}}, so the encoder would not see the instruction: add {{i}} "
            "to `query_template`, or give no instructions"
        )
    # Promptriever's rule: a query without final punctuation gets a question mark before the instruction
    mark = "" if query.rstrip().endswith(("?", ".", "!")) else "?"
    return fill(template, "q", {"q": query, "i": instruction, "?": mark})


def place_instruction(profile: EncoderProfile, placement: Placement) -> EncoderProfile:
    """Return the profile with templates that put an instruction in another place than the family's own.

    Args:
        profile: of the model.
        placement: "slot": the family's own place; "after": query, space, instruction, mteb's convention, with the
            default instruction, if there is one, in the slot; "both": in the slot and after the query.

    Raises:
        InputError: the model combines query and instruction by attention, or its slot can be neither filled nor left
            out.
    """
    if placement == "slot":
        return profile
    if profile.query_encoding == "attention":
        raise InputError(f"`instruction_placement` {placement} is for templates: use `query_encoding` concatenation")
    template, alone = profile.query_template, profile.query_only_template
    if profile.default_instruction or placement == "both":
        query_text(profile, "a", "b")  # refuses a template without a slot
    if profile.default_instruction:
        alone = template.replace("{i}", profile.default_instruction.replace("{", "{(}"))
    elif not alone and (placement == "after" or not _needs_instruction(template)):
        alone = _without_instruction(template)
    return replace(
        profile,
        query_template=(template if placement == "both" else alone).replace("{q}", "{q} {i}"),
        query_only_template=alone,
        default_instruction="",
    )


def query_alone(profile: EncoderProfile, query: str) -> EncoderText:
    """Put a query into the template without any instruction, for encodings that join the two otherwise.

    Raises:
        InputError: the query is empty, or the template cannot do without an instruction.
    """
    return query_text(replace(profile, default_instruction=""), query)


def passage_text(profile: EncoderProfile, passage: str) -> EncoderText:
    """Put a passage into the profile's template.

    Raises:
        InputError: the passage is empty.
    """
    if not passage.strip():
        raise InputError("cannot encode an empty passage: remove it, or give it a text")
    return fill(profile.passage_template, "d", {"d": passage})


def prefix_of(text: EncoderText) -> EncoderText:
    """Return the part before the query or passage itself as a text of its own."""
    fields = tuple(field for field in text.fields if field[1] <= len(text.prefix))
    return EncoderText(text.prefix, fields=fields or ((0, 0),))  # an empty field: all of it is the template's


def literal_text(template: str) -> str:
    """Return what a template itself writes, with line breaks for its fields."""
    return FIELD.sub(lambda found: "{" if found[1] == "(" else "\n", template)


def fill(template: str, body: str, given: dict[str, str]) -> EncoderText:
    """Put texts into the fields of a template.

    Args:
        template: literal text with fields.
        body: the field that `EncoderText.prefix` ends before.
        given: text of each field by its letter; other fields stay as they are.
    """
    # in one pass: braces inside a query, an instruction or a passage stay as they are
    text, prefix, fields, at = "", "", [], 0
    for found in FIELD.finditer(template):
        name = found[1]
        text += template[at : found.start()]
        filled = "{" if name == "(" else given.get(name, found[0])
        prefix = text if name == body else prefix
        if name in given and name != "?":
            fields.append((len(text), len(text) + len(filled)))
        text, at = text + filled, found.end()
    return EncoderText(text + template[at:], prefix, tuple(fields))


def _needs_instruction(template: str) -> bool:
    before, _, after = template.partition("{i}")
    return bool(before and after)


def _without_instruction(template: str) -> str:
    before, found, after = template.partition("{i}")
    if not found:
        return template
    if not after:  # "query: {q} {i}": the text between the two is the separator
        return before.partition("{q}")[0] + "{q}"
    if not before:  # "{i}: {q}"
        return "{q}" + after.partition("{q}")[2]
    raise InputError(
        f"the query template {template!r} needs an instruction: give every query one (`instruction` for all), or a "
        "`query_template` in which {i} comes first or last"
    )
