"""How a model is loaded: one list of options for the command line, studies, sidecars and Python."""

from __future__ import annotations

import dataclasses
import difflib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from instrerank.encoders.families.profiles import PLACEMENTS, EncoderProfile, Placement
from instrerank.encoders.texts import place_instruction
from instrerank.errors import InputError
from instrerank.files import cache_folder

log = logging.getLogger(__name__)

Kind = Literal["biencoder", "late-interaction", "crossencoder", "pointwise-llm"]
KINDS: tuple[str, ...] = get_args(Kind)

CASCADE = "cascade"
"""The dtype of a bi-encoder in two precisions."""
DTYPES = ("float32", "bfloat16", "float16", "int8", "int8-openvino", CASCADE, "auto")

_BIENCODERS_ONLY = ("pooling", "query_prompt", "passage_prompt", "query_encoding", "dim")
_SEPARATE_TEXTS_ONLY = ("query_template", "passage_template", "max_query_length", "max_passage_length", "store")
_LANGUAGE_MODELS_ONLY = ("prompt", "true_token", "false_token")


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How a model is loaded. Options left at None keep what the model's profile says.

    Attributes:
        kind: "biencoder"; "late-interaction" (ColBERT: a vector per token), which folders of such models select by
            themselves; or a baseline that reads query and passage together: "crossencoder" or "pointwise-llm".
        adapter: LoRA adapter, merged into the weights: a folder or a Hugging Face id.
        pooling: pooling of token states: "mean", "cls", "last", …; required for a model without a profile.
        query_template: literal text of a query, with {q} and {i}.
        passage_template: literal text of a passage, with {d}.
        query_prompt: name of the prompt for queries among those in the model's folder; None: recognised by its name.
        passage_prompt: the same for passages.
        query_encoding: how query and instruction are combined: "concatenation" (by the template), or "attention"
            (InF-Embed's instruction-query attention).
        instruction_placement: where the instruction stands: "slot" (the template's {i}), "after" (query, space,
            instruction: mteb's convention, with the default instruction in the slot), or "both".
        max_length: maximum tokens of a query and of a passage, special tokens included; of the whole input where both
            are read together.
        max_query_length: maximum tokens of a query, special tokens included; overrides `max_length`.
        max_passage_length: maximum tokens of a passage, special tokens included; overrides `max_length`.
        prompt: prompt of a pointwise LLM: a family of `instrerank encoders`, such as "qwen3-reranker", or a text with
            {q}, {i} and {d}; None: known from the model's name or folder.
        true_token: token with which a pointwise LLM answers that a passage is relevant; None: the prompt's own.
        false_token: token with which it answers that a passage is not relevant; None: the prompt's own.
        device: "auto", "cpu", "cuda", "cuda:1", ….
        dtype: precision: "float32", "bfloat16", "float16", "int8", "int8-openvino", "auto"; "cascade" ranks all
            passages in bfloat16 and the top ranks in float32.
        cascade_depth: number of top ranks that "cascade" makes exact; None: 10.
        batch_tokens: maximum tokens per batch, padding included; None: set for the device.
        dim: number of leading dimensions of the vectors to use (Matryoshka); None: all.
        store: folder where passage vectors are kept and reused; "default": `store` in $INSTRERANK_CACHE, else in
            ~/.cache/instrerank; None or "none": keep none.
        revision: branch, tag or commit of a Hugging Face id; None: its main branch.
        trust_remote_code: run Python code from the model's own repository.
        allow_bin: read `.bin` weights (restricted unpickling, no code) if the model has no safetensors file.
    """

    kind: Kind = "biencoder"
    adapter: str | Path | None = None
    pooling: str | None = None
    query_template: str | None = None
    passage_template: str | None = None
    query_prompt: str | None = None
    passage_prompt: str | None = None
    query_encoding: str | None = None
    instruction_placement: Placement = "slot"
    max_length: int | None = None
    max_query_length: int | None = None
    max_passage_length: int | None = None
    prompt: str | None = None
    true_token: str | None = None
    false_token: str | None = None
    device: str = "auto"
    dtype: str = "float32"
    cascade_depth: int | None = None
    batch_tokens: int | None = None
    dim: int | None = None
    store: str | Path | None = "default"
    revision: str | None = None
    trust_remote_code: bool = False
    allow_bin: bool = False

    def __post_init__(self) -> None:
        """Reject invalid values, and options that this kind of model does not use.

        Raises:
            InputError: an invalid option; the message names the parameter, its value and what is allowed.
        """
        for name, allowed in (("kind", KINDS), ("dtype", DTYPES), ("instruction_placement", PLACEMENTS)):
            if getattr(self, name) not in allowed:
                raise InputError(f"unknown `{name}` {getattr(self, name)!r}. Available: {', '.join(allowed)}")
        for name in ("max_length", "max_query_length", "max_passage_length", "batch_tokens", "cascade_depth", "dim"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise InputError(f"`{name}` must be a whole number of at least 1, got {value!r}")
        for name in ("trust_remote_code", "allow_bin"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"`{name}` must be true or false, got {getattr(self, name)!r}")
        for side in ("query", "passage"):
            if getattr(self, f"{side}_prompt") is not None and getattr(self, f"{side}_template") is not None:
                raise InputError(f"give `{side}_prompt` or `{side}_template`, not both")
        useless = [] if self.kind == "biencoder" else [*_BIENCODERS_ONLY]
        useless += [] if self.encodes_passages else _SEPARATE_TEXTS_ONLY
        useless += ["adapter"] if self.kind == "late-interaction" else []
        useless += [] if self.kind == "pointwise-llm" else _LANGUAGE_MODELS_ONLY
        useless += [] if self.kind in ("biencoder", "pointwise-llm") else ["instruction_placement"]
        useless += [] if self.is_cascade else ["cascade_depth"]
        given = [f"`{name}`" for name in self.changed() if name in useless]
        if given:
            raise InputError(f"{', '.join(given)} cannot be used with `kind` {self.kind} and `dtype` {self.dtype}")
        if self.dtype == CASCADE and not self.is_cascade:
            raise InputError(f"`dtype` cascade needs `kind` biencoder, got {self.kind}")

    @property
    def encodes_passages(self) -> bool:
        """Whether passages are encoded without their queries, so that their vectors can be stored."""
        return self.kind in ("biencoder", "late-interaction")

    @property
    def is_cascade(self) -> bool:
        """Whether a bi-encoder is loaded in two precisions."""
        return self.kind == "biencoder" and self.dtype == CASCADE

    def changed(self) -> dict[str, Any]:
        """Return the options that differ from their defaults."""
        every = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        return {name: value for name, (value, default) in every.items() if value != default}

    def with_changes(self, **changes: Any) -> LoadOptions:
        """Return these options with some changed.

        Raises:
            InputError: an unknown option (the message names the nearest one), or an invalid value.
        """
        known = [field.name for field in dataclasses.fields(self)]
        unknown = [name for name in changes if name not in known]
        if unknown:
            near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0)[0]
            raise InputError(f"unknown option `{unknown[0]}` (nearest: `{near}`). Available: {', '.join(known)}")
        return dataclasses.replace(self, **changes)

    def applied_to(self, profile: EncoderProfile, limit: int | None, model: str) -> EncoderProfile:
        """Return a model's profile with what these options override.

        Args:
            profile: the model's own.
            limit: number of positions of its network; None if there is no limit.
            model: its name, for messages.

        Raises:
            InputError: a length above the limit, or templates that do not fit the other options.
        """
        given: dict[str, Any] = {
            "pooling": self.pooling,
            "query_template": self.query_template,
            "query_only_template": "" if self.query_template is not None else None,
            "default_instruction": "" if self.query_template is not None else None,
            "passage_template": self.passage_template,
            "max_query_length": self.max_query_length or self.max_length,
            "max_passage_length": self.max_passage_length or self.max_length,
            "query_encoding": self.query_encoding,
        }
        profile = replace(profile, **{field: value for field, value in given.items() if value is not None})
        profile = place_instruction(profile, self.instruction_placement)
        for name in ("max_query_length", "max_passage_length"):
            if limit is not None and getattr(profile, name) > limit:
                raise InputError(
                    f"`{name}` must be at most {limit} tokens for {model}, got {getattr(profile, name)}: give a "
                    "smaller one"
                )
        return profile

    def store_folder(self) -> Path | None:
        """Return the folder of the embedding store; None if vectors are not kept (logged if the default fails)."""
        if self.store is None or str(self.store) == "none":
            return None
        if self.store != "default":
            return Path(self.store)
        from instrerank.encoders.stores.store import may_write

        if default_store().is_dir() or may_write(default_store()):
            return default_store()
        log.warning(f"passage vectors are not kept: no permission to make {default_store()}")
        return None


def default_store() -> Path:
    """Return the default folder for passage vectors."""
    return cache_folder() / "store"
