"""The job `encoders`: the known model families, and what one model reads, token by token, without running it."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from instrerank.encoders import EncoderProfile, LoadOptions
from instrerank.encoders.families.profiles import PROFILE_FILE
from instrerank.encoders.families.table import FAMILIES, family_of
from instrerank.encoders.loading import ModelFiles, find_model
from instrerank.encoders.locate import usable_settings
from instrerank.encoders.texts import EncoderText, passage_text, query_alone, query_text
from instrerank.encoders.tokenizing import TextTokenizer, load_tokenizer
from instrerank.errors import InputError

WHOLE = 10**9
"""Tokens that no text has: nothing is truncated."""


class KnownFamily(NamedTuple):
    """A row of the table of families.

    Attributes:
        family: its name.
        names: pattern of its models' names, without organisation.
        example: id of one of its models; "" if none was verified.
        query: template of a query.
        passage: template of a passage.
        pooling: pooling of token states.
        default_instruction: what queries without an instruction are given; "" for nothing.
        instruction: "trained", or "appended" where the models were trained without free instructions.
        licence: of the weights; "" if it was not verified.
        remote_code: whether the repository's own code is needed.
        tasks: task names of queries and passages, for models that select weights by task.
        source: reference for all this.
    """

    family: str
    names: str
    example: str
    query: str
    passage: str
    pooling: str
    default_instruction: str
    instruction: str
    licence: str
    remote_code: bool
    tasks: tuple[str, str] | None
    source: str


def list_families(name: str | None = None) -> list[KnownFamily]:
    """Return the known families, or the rows of one.

    Raises:
        InputError: no such family; the message names the nearest ones.
    """
    rows = [
        KnownFamily(
            each.profile.family,
            each.names,
            each.example,
            each.profile.query_template,
            each.profile.passage_template,
            "+".join(each.profile.pooling_modes),
            each.profile.default_instruction,
            "trained" if each.instructed else "appended",
            each.licence,
            each.profile.remote_code,
            each.tasks,
            each.profile.source,
        )
        for each in FAMILIES
        if name in (None, each.profile.family)
    ]
    if not rows:
        near = difflib.get_close_matches(str(name), sorted({each.profile.family for each in FAMILIES}), cutoff=0)
        raise InputError(f"unknown `family` {name!r} (nearest: {', '.join(near)}): leave it out to list them all")
    return rows


@dataclass(frozen=True, kw_only=True)
class ReadingSettings:
    """Settings of `read_model`.

    Attributes:
        model: "minilm", "instrerank-minilm", a folder, or a Hugging Face id.
        query: a query.
        instruction: its instruction; None: an example, if the template has a place for one.
        passage: a passage.
        options: how the model is loaded; only what decides the texts matters.
    """

    model: str | Path
    query: str = "why does bread rise"
    instruction: str | None = None
    passage: str = "Yeast eats the sugar in the flour, and its gas lifts the dough."
    options: LoadOptions = field(default_factory=LoadOptions)


EXAMPLE_INSTRUCTION = "Only passages that explain the cause are relevant."


class TokenRead(NamedTuple):
    """A token as the network gets it."""

    id: int
    token: str
    special: bool
    pooled: bool


class TextRead(NamedTuple):
    """A text as the model reads it.

    Attributes:
        what: "query", "query with instruction", "instruction" or "passage".
        text: the string for the tokenizer.
        tokens: what the network gets.
        max_length: maximum number of tokens.
        lost: the text of the tokens that were truncated, as the tokenizer spells it; "" if none were.
        tokens_lost: their number.
    """

    what: str
    text: str
    tokens: list[TokenRead]
    max_length: int
    lost: str
    tokens_lost: int


class Reading(NamedTuple):
    """What a model reads.

    Attributes:
        model: its name.
        profile: templates, pooling, lengths.
        origin: where the profile comes from.
        overridden: load options that override it.
        licence: of the family's weights; "" if it is not known.
        notes: what to know before using it.
        texts: examples.
    """

    model: str
    profile: EncoderProfile
    origin: str
    overridden: list[str]
    licence: str
    notes: list[str]
    texts: list[TextRead]


def read_model(settings: ReadingSettings) -> Reading:
    """Return what a model reads for a query, an instruction and a passage; its weights are not loaded.

    Raises:
        InputError: an unknown model, one that needs options, an empty text, or an instruction that the model has no
            place for.
        MissingPrerequisiteError: the model is not available here.
    """
    options = settings.options
    with usable_settings(settings.model), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        files = find_model(settings.model, options)
        tokenizer = load_tokenizer(files.layout.network, files.profile, trust_remote_code=options.trust_remote_code)
        texts = [_read(tokenizer, *each) for each in _texts(files.profile, settings)]
    own = (files.adapter or files.folder) / PROFILE_FILE
    family = None if own.is_file() else family_of(files.profile)
    profile = files.profile
    shown = (name for name in options.changed() if hasattr(profile, name) or name == "max_length")
    return Reading(
        files.name,
        profile,
        _origin(files, own),
        list(shown),
        family.licence if family else "",
        [
            *(str(each.message) for each in caught if issubclass(each.category, UserWarning)),
            *_notes(profile, texts, trained=own.is_file()),
        ],
        texts,
    )


def _origin(files: ModelFiles, own: Path) -> str:
    if own.is_file():
        return f"{own.name} in its folder ({files.profile.source})"
    if family_of(files.profile):
        return f"the table of families: {files.profile.source}"
    return files.profile.source


def _notes(profile: EncoderProfile, texts: Sequence[TextRead], *, trained: bool) -> Iterator[str]:
    """Yield what the profile does not say for itself; `trained`: whether it is that of a model trained here."""
    family = family_of(profile)
    if "{i}" not in profile.query_template:
        yield "no place for an instruction: one that is given is refused; add {i} to `query_template` to append it"
    elif family is None and not trained and profile.query_template.endswith("{q} {i}"):
        yield "an instruction is appended to the query: nothing says that the model was trained with instructions"
    elif family is not None and not family.instructed:
        yield "an instruction is appended to the query: this family was not trained with free instructions"
    if texts[0].what != "query":
        yield "the template cannot do without an instruction: a query that has none is refused"
    if profile.remote_code:
        yield "the network exists only as code in the model's repository: loading it needs `trust_remote_code`"
    if family is not None and family.tasks:
        yield f"its own code selects weights by task: {family.tasks[0]} for queries, {family.tasks[1]} for passages"


def _texts(profile: EncoderProfile, settings: ReadingSettings) -> Iterator[tuple[str, EncoderText, int]]:
    """Yield the texts to show, with their maximum numbers of tokens."""
    query, length = settings.query, profile.max_query_length
    instruction = settings.instruction
    if instruction is None and "{i}" in profile.query_template:
        instruction = EXAMPLE_INSTRUCTION
    if profile.query_encoding == "attention":
        yield "query", query_alone(profile, query), length
        if instruction:
            yield "instruction", EncoderText(instruction), length
    else:
        try:
            yield "query", query_text(profile, query), length
        except InputError:
            if not instruction:  # a template that needs an instruction is shown with one
                raise
        if instruction:
            yield "query with instruction", query_text(profile, query, instruction), length
    yield "passage", passage_text(profile, settings.passage), profile.max_passage_length


def _read(tokenizer: TextTokenizer, what: str, text: EncoderText, max_length: int) -> TextRead:
    """Tokenise a text, within its maximum length and whole."""
    kept = tokenizer.encode([text], max_length)[0]
    whole = tokenizer.encode([text], WHOLE)[0].ids
    same = (one == other for one, other in zip(kept.ids, whole, strict=False))
    common = len(list(takewhile(bool, same)))  # the text may be truncated on the left
    lost = whole[common : common + len(whole) - len(kept.ids)]
    tokens = [
        TokenRead(index, token, special, at >= kept.skip)
        for at, (index, (token, special)) in enumerate(zip(kept.ids, tokenizer.spelt(kept.ids), strict=True))
    ]
    return TextRead(what, text.text, tokens, max_length, tokenizer.decode(lost), len(lost))
