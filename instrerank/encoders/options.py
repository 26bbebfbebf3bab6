"""How a model is loaded: the one list of options that the command line, studies, sidecars and Python share."""

from __future__ import annotations

import dataclasses
import difflib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from instrerank.errors import InputError
from instrerank.files import cache_folder

log = logging.getLogger(__name__)

Kind = Literal["biencoder", "crossencoder", "pointwise-llm"]
KINDS: tuple[str, ...] = get_args(Kind)

CASCADE = "cascade"
"""The dtype of a bi-encoder in two precisions."""
DTYPES = ("float32", "bfloat16", "float16", "int8", "int8-openvino", CASCADE, "auto")

_BIENCODERS_ONLY = (
    *("pooling", "query_template", "passage_template", "query_encoding", "max_query_length", "max_passage_length"),
    "store",
)
_LANGUAGE_MODELS_ONLY = ("prompt", "true_token", "false_token")


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How a model is loaded; what is left at its default is what the model's profile says.

    Attributes:
        kind: "biencoder"; or a baseline that reads query and passage together, "crossencoder" or "pointwise-llm".
        adapter: folder or id of a LoRA adapter, merged into the weights.
        pooling: how token states become a vector: "mean", "cls", "last", …; needed for a model that no profile knows.
        query_template: text of a query, with {q} and {i}; literal.
        passage_template: text of a passage, with {d}; literal.
        query_encoding: "concatenation", or "attention" (InF-Embed's instruction-query attention).
        max_length: tokens of a query and of a passage, special tokens included; of the whole input where query and
            passage are read together.
        max_query_length: tokens of a query, instead of `max_length`.
        max_passage_length: tokens of a passage, instead of `max_length`.
        prompt: what a pointwise LLM is asked: "followir", "mistral-instruct", "monot5", or a text with {q} and {d}.
        true_token: its answer about a relevant passage, where it is not the prompt's own.
        false_token: its answer about one that is not relevant.
        device: "auto", "cpu", "cuda", "cuda:1", ….
        dtype: "float32", "bfloat16", "float16", "int8", "int8-openvino", "auto"; "cascade" ranks all passages in
            bfloat16 and the best in float32.
        cascade_depth: ranks that a cascade makes exact; None: 10.
        batch_tokens: tokens of one batch, padding included; None: the backend's own.
        store: folder that keeps passage vectors, so that no passage is encoded twice; "default": `store` in
            $INSTRERANK_CACHE, else in ~/.cache/instrerank; None or "none": vectors are not kept.
        revision: branch, tag or commit of a Hugging Face id.
        trust_remote_code: run code that comes with the model.
        allow_bin: read `.bin` weights (restricted unpickling, no code) where there is no safetensors file.
    """

    kind: Kind = "biencoder"
    adapter: str | Path | None = None
    pooling: str | None = None
    query_template: str | None = None
    passage_template: str | None = None
    query_encoding: str | None = None
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
    store: str | Path | None = "default"
    revision: str | None = None
    trust_remote_code: bool = False
    allow_bin: bool = False

    def __post_init__(self) -> None:
        """Refuse values that no model takes, and options that this kind of model has no use for.

        Raises:
            InputError: names the parameter, the value and what is allowed.
        """
        for name, allowed in (("kind", KINDS), ("dtype", DTYPES)):
            if getattr(self, name) not in allowed:
                raise InputError(f"unknown `{name}` {getattr(self, name)!r}. Available: {', '.join(allowed)}")
        for name in ("max_length", "max_query_length", "max_passage_length", "batch_tokens", "cascade_depth"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise InputError(f"`{name}` must be a whole number, at least 1; got {value!r}")
        for name in ("trust_remote_code", "allow_bin"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"`{name}` must be true or false; got {getattr(self, name)!r}")
        useless = [] if self.kind == "biencoder" else [*_BIENCODERS_ONLY]
        useless += [] if self.kind == "pointwise-llm" else _LANGUAGE_MODELS_ONLY
        useless += [] if self.is_cascade else ["cascade_depth"]
        given = [f"`{name}`" for name in self.changed() if name in useless]
        if given:
            raise InputError(f"{', '.join(given)}: no use with `kind` {self.kind} and `dtype` {self.dtype}")
        if self.dtype == CASCADE and not self.is_cascade:
            raise InputError(f"`dtype` cascade is for bi-encoders, not for `kind` {self.kind}")

    @property
    def is_cascade(self) -> bool:
        """Whether a bi-encoder is loaded in two precisions."""
        return self.kind == "biencoder" and self.dtype == CASCADE

    def changed(self) -> dict[str, Any]:
        """Return the options that differ from their defaults."""
        every = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        return {name: value for name, (value, default) in every.items() if value != default}

    def with_changes(self, **changes: Any) -> LoadOptions:
        """Return the same options with some of them changed.

        Raises:
            InputError: an unknown option (the nearest one is named), or a value that is not allowed.
        """
        known = [field.name for field in dataclasses.fields(self)]
        unknown = [name for name in changes if name not in known]
        if unknown:
            near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0)[0]
            raise InputError(f"unknown option `{unknown[0]}` (nearest: `{near}`). Available: {', '.join(known)}")
        return dataclasses.replace(self, **changes)

    def store_folder(self) -> Path | None:
        """Return the folder of the embedding store; None: vectors are not kept (logged where the default fails)."""
        if self.store is None or str(self.store) == "none":
            return None
        if self.store != "default":
            return Path(self.store)
        from instrerank.encoders.store import may_write

        if default_store().is_dir() or may_write(default_store()):
            return default_store()
        log.warning(f"passage vectors are not kept: no permission to make {default_store()}")
        return None


def default_store() -> Path:
    """Return the folder that keeps passage vectors unless `LoadOptions.store` says otherwise."""
    return cache_folder() / "store"
