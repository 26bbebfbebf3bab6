"""The one place where templates are filled in to give the text that an encoder reads."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.errors import InputError

_FIELD = re.compile(r"\{(q|i|d|\?|\()\}")


class EncoderText(NamedTuple):
    """A text for the tokenizer.

    Attributes:
        text: all of it.
        prefix: its part before the query or passage itself.
        fields: spans (start, end) of query, instruction and passage; the rest is the template's. (): all is theirs.
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
    return _fill(template, "q", {"q": query, "i": instruction, "?": mark})


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
    return _fill(profile.passage_template, "d", {"d": passage})


def prefix_of(text: EncoderText) -> EncoderText:
    """Return the part before the query or passage itself as a text of its own."""
    fields = tuple(field for field in text.fields if field[1] <= len(text.prefix))
    return EncoderText(text.prefix, fields=fields or ((0, 0),))  # an empty field: all of it is the template's


def _fill(template: str, body: str, given: dict[str, str]) -> EncoderText:
    """Fill in a template in one pass: braces inside a query, an instruction or a passage stay as they are."""
    given = {**given, "(": "{"}
    text, prefix, fields = "", "", []
    for at, part in enumerate(_FIELD.split(template)):  # of the template, a field, of the template, …
        filled = given.get(part, f"{{{part}}}") if at % 2 else part
        prefix = text if at % 2 and part == body else prefix
        if at % 2 and part in given and part not in "?(":
            fields.append((len(text), len(text) + len(filled)))
        text += filled
    return EncoderText(text, prefix, tuple(fields))


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
