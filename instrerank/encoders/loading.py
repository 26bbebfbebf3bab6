"""From a name to a ready encoder: folder, profile, tokenizer, network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from instrerank.encoders.backends import choose_backend
from instrerank.encoders.encoder import Encoder
from instrerank.encoders.layouts import (
    Layout,
    fingerprint,
    load_dense,
    locate,
    profile_of_layout,
    read_json,
    read_layout,
    warn_of_difference,
)
from instrerank.encoders.profiles import POOLING_MODES, EncoderProfile, match_profile, read_profile
from instrerank.encoders.tokenizing import load_tokenizer
from instrerank.errors import InputError


def load_encoder(
    name_or_path: str | Path,
    *,
    adapter: str | Path | None = None,
    pooling: str | None = None,
    query_template: str | None = None,
    passage_template: str | None = None,
    max_length: int | None = None,
    query_encoding: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    batch_tokens: int | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    allow_bin: bool = False,
) -> Encoder:
    """Load a bi-encoder as its authors meant it.

    The profile is, in this order: the flags given here; what the folder's own `instrerank.json` says; the
    published family that name and network belong to; what a sentence-transformers folder says about itself.

    Args:
        name_or_path: "minilm", a folder, or an id on the Hugging Face hub. A folder or id that holds only a LoRA
            adapter loads the base model that the adapter names.
        adapter: folder or id of a LoRA adapter, merged into the weights.
        pooling: one of `POOLING_MODES`.
        query_template: text of a query, with {query} and {instruction}; literal.
        passage_template: text of a passage, with {passage}; literal.
        max_length: tokens of a query and of a passage, special tokens included.
        query_encoding: "concatenation" or "attention" (see `EncoderProfile`).
        device: "auto", "cpu", "cuda", "cuda:1", ….
        dtype: one of `instrerank.encoders.backends.DTYPES`.
        batch_tokens: token budget of one batch; the backend's own when None.
        revision: of the hub's repository.
        trust_remote_code: run code from the model's folder.
        allow_bin: read `.bin` weights (restricted unpickling, no code) where there is no safetensors file.

    Raises:
        InputError: an unknown name, an unknown model without the flags it needs, weights that do not fit.
        MissingPrerequisiteError: a model, device or package that is not here.
    """
    name = str(name_or_path)
    folder = locate(name, revision=revision, allow_bin=allow_bin)
    named = str(adapter or name)
    if (
        adapter is None
        and not (folder / "config.json").is_file()
        and (folder / "adapter_config.json").is_file()
    ):
        base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
        if not base:
            raise InputError(
                f"the adapter {name} does not name its base model: give the base, and it as --adapter"
            )
        adapter, folder = folder, locate(str(base), allow_bin=allow_bin)
    lora = None if adapter is None else locate(str(adapter), allow_bin=allow_bin)
    layout = read_layout(folder)
    config = read_json(layout.network / "config.json")
    if not config.get("model_type"):
        raise InputError(
            f"{layout.network} holds no Hugging Face model: its config.json is missing or names none"
        )
    profile = _profile(named, lora or folder, folder, layout, config, pooling, max_length)
    changes: dict[str, Any] = {
        "pooling": pooling,
        "query_template": query_template,
        "passage_template": passage_template,
        "max_query_length": max_length,
        "max_passage_length": max_length,
        "query_encoding": query_encoding,
    }
    profile = replace(profile, **{field: value for field, value in changes.items() if value is not None})
    limit = _limit(config)
    for length in (profile.max_query_length, profile.max_passage_length):
        if limit is not None and length > limit:
            raise InputError(
                f"{name} reads at most {limit} tokens, not {length}: give a smaller --max-length"
            )
    # the tokenizer and the layers after pooling are small: what is wrong with them shows before the weights load
    tokenizer = load_tokenizer(layout.network, profile, trust_remote_code=trust_remote_code)
    dense = [load_dense(path, allow_bin=allow_bin) for kind, path in layout.modules if kind == "Dense"]
    backend = choose_backend(
        layout.network,
        config,
        profile,
        dtype=dtype,
        device=device,
        adapter=lora,
        trust_remote_code=trust_remote_code,
        allow_bin=allow_bin,
    )
    return Encoder(
        name,
        profile,
        tokenizer,
        backend,
        dense=[layer.to(backend.device) for layer in dense],
        fingerprint=fingerprint([folder, *([lora] if lora else [])], _decisive(profile)),
        batch_tokens=batch_tokens,
    )


def _profile(
    name: str,
    own: Path,
    folder: Path,
    layout: Layout,
    config: dict[str, Any],
    pooling: str | None,
    max_length: int | None,
) -> EncoderProfile:
    saved = read_profile(own)
    if saved is not None:
        return saved
    known = match_profile(name, config) or match_profile(str(own), config)
    if known is not None:
        if layout.modules:
            warn_of_difference(folder, known)
        limit = _limit(config)
        if (
            limit is not None and max_length is None
        ):  # small builds of a family may read less than its large ones
            known = replace(
                known,
                max_query_length=min(known.max_query_length, limit),
                max_passage_length=min(known.max_passage_length, limit),
            )
        return known
    if layout.modules:
        return profile_of_layout(folder, layout, _limit(config))
    if pooling is None:
        raise InputError(
            f"{name} ({config['model_type']}) is no model this project knows, and its folder is not in the "
            f"sentence-transformers layout: say how it was trained with --pooling ({', '.join(POOLING_MODES)}) and, "
            "if it takes prefixes, --query-template '…{query} {instruction}' --passage-template '…{passage}'; "
            "--max-length if not 512"
        )
    return EncoderProfile("given by flags", pooling, source="command line")  # type: ignore[arg-type]


def _limit(config: dict[str, Any]) -> int | None:
    """Tokens the network has positions for; None where positions are relative (T5)."""
    positions = config.get("max_position_embeddings")
    if positions is None:
        return None
    # RoBERTa's positions begin behind the padding token's index
    return int(positions) - (
        2 if config["model_type"] in ("roberta", "xlm-roberta", "camembert", "mpnet") else 0
    )


def _decisive(profile: EncoderProfile) -> str:
    """What of the profile decides a vector besides text and length."""
    return repr(
        (
            profile.pooling_modes,
            profile.normalize,
            profile.pool_prefix,
            profile.begin_token,
            profile.end_token,
        )
        + (profile.bidirectional, profile.query_encoding)
    )
