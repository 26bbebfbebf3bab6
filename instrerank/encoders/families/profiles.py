"""How a model reads its input, as one frozen value: templates, pooling, lengths, special tokens."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from instrerank.errors import InputError
from instrerank.files import read_json_file, whole_file

PoolingMode = Literal["mean", "cls", "last", "max", "weightedmean", "mean_sqrt_len"]
POOLING_MODES: tuple[str, ...] = get_args(PoolingMode)
QueryEncoding = Literal["concatenation", "attention"]
QUERY_ENCODINGS: tuple[str, ...] = get_args(QueryEncoding)
AdapterSide = Literal["both", "query"]
ADAPTER_SIDES: tuple[str, ...] = get_args(AdapterSide)

_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "str": (str,), "bool": (bool,), "str | None": (str, type(None))}
"""What JSON has for an annotation of the profile."""
PROFILE_FILE = "instrerank.json"
"""A checkpoint's own profile, beside its weights: what it was trained with, so that no options are needed."""


@dataclass(frozen=True)
class EncoderProfile:
    r"""How one model family reads queries and passages. Templates are literal: no space is added or removed.

    Attributes:
        family: name of the family, as shown to users and written to the run's metadata.
        pooling: how token states become one vector; several modes are concatenated.
        query_template: text of a query, with `{q}` and, where instructions are possible, `{i}`;
            `{?}` stands for a question mark where the query ends without punctuation.
        query_only_template: text of a query without instruction, where dropping `{i}` and the
            separator is not enough.
        passage_template: text of a passage, with `{d}`.
        default_instruction: taken where a query has none; "" where the template can do without.
        max_query_length: tokens of a query text, special tokens included.
        max_passage_length: tokens of a passage text, special tokens included.
        normalize: L2-normalise, so that dot product is cosine; False for models trained for dot products.
        pool_prefix: False: the tokens before the text are attended to, not pooled (INSTRUCTOR, GritLM).
        begin_token: token that must come first ("bos": the tokenizer's own), put there if it is missing.
        end_token: token that must come last ("eos": the tokenizer's own), put there if it is missing.
        bidirectional: a decoder used without its causal mask (GritLM).
        remote_code: the network exists only as code in the model's repository.
        query_encoding: "concatenation" (one text) or "attention" (instruction-query attention, InF-Embed).
        adapter_side: "query": a LoRA adapter is for queries only, passages are encoded by the base model, so that
            its stored vectors stay valid; "both" otherwise.
        source: where these facts come from.
    """

    family: str
    pooling: PoolingMode | tuple[PoolingMode, ...]
    query_template: str = "{q} {i}"
    query_only_template: str = ""
    passage_template: str = "{d}"
    default_instruction: str = ""
    max_query_length: int = 512
    max_passage_length: int = 512
    normalize: bool = True
    pool_prefix: bool = True
    begin_token: str | None = None
    end_token: str | None = None
    bidirectional: bool = False
    remote_code: bool = False
    query_encoding: QueryEncoding = "concatenation"
    adapter_side: AdapterSide = "both"
    source: str = ""

    @property
    def pooling_modes(self) -> tuple[PoolingMode, ...]:
        """The pooling modes as a tuple, one in all published families."""
        return (self.pooling,) if isinstance(self.pooling, str) else self.pooling

    def __post_init__(self) -> None:
        wrong = [mode for mode in self.pooling_modes if mode not in POOLING_MODES]
        if wrong or not self.pooling_modes:
            raise InputError(f"unknown pooling {wrong or '(none)'}: choose from {', '.join(POOLING_MODES)}")
        if self.query_encoding not in QUERY_ENCODINGS:
            raise InputError(
                f"unknown query encoding {self.query_encoding!r}: choose from {', '.join(QUERY_ENCODINGS)}"
            )
        if self.adapter_side not in ADAPTER_SIDES:
            raise InputError(f"unknown adapter side {self.adapter_side!r}: choose from {', '.join(ADAPTER_SIDES)}")
        if self.query_template.count("{q}") != 1 or self.query_template.count("{i}") > 1:
            raise InputError(
                f"the query template {self.query_template!r} must contain {{q}} once and {{i}} at most once"
            )
        if self.passage_template.count("{d}") != 1:
            raise InputError(f"the passage template {self.passage_template!r} must contain {{d}} once")
        shortest = min(self.max_query_length, self.max_passage_length)
        if shortest < 4:
            raise InputError(f"a maximum length of {shortest} tokens leaves nothing of a text: give at least 4")


def write_profile(profile: EncoderProfile, folder: Path) -> None:
    """Put a profile beside the weights of a checkpoint, where `load_encoder` finds it."""
    with whole_file(folder / PROFILE_FILE) as file:
        json.dump(asdict(profile), file, indent=2)


def read_profile(folder: Path) -> EncoderProfile | None:
    """Return the profile that a checkpoint carries in `instrerank.json`, or None.

    Raises:
        InputError: the file is there and is not a profile.
    """
    path = folder / PROFILE_FILE
    if not path.is_file():
        return None
    fields = read_json_file(path)
    try:
        if isinstance(fields.get("pooling"), list):
            fields["pooling"] = tuple(fields["pooling"])
        kinds = {each.name: _KINDS.get(str(each.type)) for each in dataclasses.fields(EncoderProfile)}
        for name, value in fields.items():
            if (allowed := kinds.get(name)) and type(value) not in allowed:
                raise InputError(f"{name} cannot be {value!r:.60}")
        return EncoderProfile(**fields)
    except (ValueError, TypeError, AttributeError) as error:  # an InputError of the profile itself is a ValueError
        raise InputError(f"{path} is not an encoder profile: {error}") from error
