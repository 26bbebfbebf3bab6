"""The profile of a model: templates, pooling, lengths, special tokens."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from instrerank.errors import InputError
from instrerank.files import read_json_file, whole_file

PoolingMode = Literal["mean", "cls", "last", "max", "weightedmean", "mean_sqrt_len", "own code"]
"""The last is that of the repository's own code, and cannot be chosen."""
OWN_CODE: Literal["own code"] = "own code"
POOLING_MODES: tuple[str, ...] = get_args(PoolingMode)[:-1]
QueryEncoding = Literal["concatenation", "attention"]
QUERY_ENCODINGS: tuple[str, ...] = get_args(QueryEncoding)
AdapterSide = Literal["both", "query"]
ADAPTER_SIDES: tuple[str, ...] = get_args(AdapterSide)
Placement = Literal["slot", "after", "both"]
PLACEMENTS: tuple[str, ...] = get_args(Placement)

_KINDS: dict[str, tuple[type, ...]] = {"int": (int,), "str": (str,), "bool": (bool,), "str | None": (str, type(None))}
"""What JSON has for an annotation of the profile."""
PROFILE_FILE = "instrerank.json"
"""File with a checkpoint's own profile, next to its weights, so that it loads without options."""


@dataclass(frozen=True)
class EncoderProfile:
    r"""How one model family reads queries and passages. Templates are literal: no space is added or removed.

    Attributes:
        family: name of the family, as shown to users and recorded in sidecars.
        pooling: pooling of token states; several modes are concatenated.
        query_template: text of a query, with `{q}` and, if the model takes instructions, `{i}`; `{?}` is replaced by
            a question mark if the query ends without punctuation, and `{(}` by an opening brace.
        query_only_template: text of a query without instruction, if dropping `{i}` and the separator is not enough.
        passage_template: text of a passage, with `{d}`.
        default_instruction: instruction of queries without one; "" if the template works without an instruction.
        max_query_length: maximum tokens of a query, special tokens included.
        max_passage_length: maximum tokens of a passage, special tokens included.
        normalize: L2-normalise vectors, so that dot products are cosines; False for models trained with dot products.
        pool_prefix: False if the tokens before the text are attended to but not pooled (INSTRUCTOR, GritLM).
        begin_token: token that must come first ("bos": the tokenizer's own), added if missing.
        end_token: token that must come last ("eos": the tokenizer's own), added if missing.
        bidirectional: whether a decoder is used without its causal mask (GritLM).
        remote_code: whether the network exists only as code in the model's repository.
        query_encoding: "concatenation" (one text) or "attention" (InF-Embed's instruction-query attention).
        adapter_side: "query" if a LoRA adapter applies to queries only, so that the base model's stored passage
            vectors stay valid; else "both".
        bare_query_adapter: subfolder of a second adapter, for queries without instruction; None: all use one.
        source: reference for these settings.
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
    bare_query_adapter: str | None = None
    source: str = ""

    @property
    def pooling_modes(self) -> tuple[PoolingMode, ...]:
        """The pooling modes as a tuple; published families have one."""
        return (self.pooling,) if isinstance(self.pooling, str) else self.pooling

    def __post_init__(self) -> None:
        own = self.remote_code and self.pooling_modes == (OWN_CODE,)
        wrong = [] if own else [mode for mode in self.pooling_modes if mode not in POOLING_MODES]
        if wrong or not self.pooling_modes:
            given = ", ".join(map(repr, wrong)) or "(none)"
            raise InputError(f"unknown `pooling` {given}. Available: {', '.join(POOLING_MODES)}")
        if self.query_encoding not in QUERY_ENCODINGS:
            raise InputError(
                f"unknown `query_encoding` {self.query_encoding!r}. Available: {', '.join(QUERY_ENCODINGS)}"
            )
        if self.adapter_side not in ADAPTER_SIDES:
            raise InputError(f"unknown `adapter_side` {self.adapter_side!r}. Available: {', '.join(ADAPTER_SIDES)}")
        if self.bare_query_adapter is not None and self.adapter_side != "query":
            raise InputError(f"`bare_query_adapter` needs `adapter_side` query, got {self.adapter_side}")
        if self.bare_query_adapter is not None and not re.fullmatch(r"[\w-]+", self.bare_query_adapter):
            raise InputError(f"`bare_query_adapter` must be the name of a subfolder, got {self.bare_query_adapter!r}")
        if self.query_template.count("{q}") != 1 or self.query_template.count("{i}") > 2:
            raise InputError(
                f"`query_template` must contain {{q}} once and {{i}} at most twice, got {self.query_template!r}"
            )
        if self.passage_template.count("{d}") != 1:
            raise InputError(f"`passage_template` must contain {{d}} once, got {self.passage_template!r}")
        for name in ("max_query_length", "max_passage_length"):
            if getattr(self, name) < 4:
                raise InputError(f"`{name}` must be at least 4 tokens, got {getattr(self, name)}")


def write_profile(profile: EncoderProfile, folder: Path) -> None:
    """Write a profile next to the weights of a checkpoint, where `load_encoder` finds it."""
    with whole_file(folder / PROFILE_FILE) as file:
        json.dump(asdict(profile), file, indent=2)


def read_profile(folder: Path) -> EncoderProfile | None:
    """Return the profile in a checkpoint's `instrerank.json`, or None.

    Raises:
        InputError: the file exists and is not a profile.
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
