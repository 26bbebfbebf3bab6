"""From a name to a ready encoder: folder, profile, tokenizer, network."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

from instrerank.collections import POCKET, PassageFile
from instrerank.encoders.encoder import Encoder
from instrerank.encoders.families.layouts import Layout, layout_profile, load_dense, read_layout, warn_of_difference
from instrerank.encoders.families.profiles import POOLING_MODES, EncoderProfile, PoolingMode, read_profile
from instrerank.encoders.families.table import match_family
from instrerank.encoders.families.texts import passage_text
from instrerank.encoders.locate import hub_commit, locate, position_limit, read_json
from instrerank.encoders.networks.backends import Backend, choose_backend
from instrerank.encoders.networks.tensors import fingerprint
from instrerank.encoders.store import StorePrecision
from instrerank.encoders.tokenizing import TextTokenizer, load_tokenizer
from instrerank.errors import InputError

_CALIBRATION = 100
"""Passages of the bundled collection that a quantisation sees."""


class ModelFiles(NamedTuple):
    """Where a model lies and how it is to be read.

    Attributes:
        name: as the user gave it.
        folder: of the model.
        adapter: of its LoRA adapter.
        layout: the model's folder taken apart.
        config: the network's `config.json`.
        profile: templates, pooling and lengths.
    """

    name: str
    folder: Path
    adapter: Path | None
    layout: Layout
    config: dict[str, Any]
    profile: EncoderProfile


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
    store: str | Path | None = None,
    store_precision: StorePrecision = "float32",
    revision: str | None = None,
    trust_remote_code: bool = False,
    allow_bin: bool = False,
) -> Encoder:
    """Load a bi-encoder as its authors meant it.

    Its profile is the first of: the folder's own `instrerank.json`; the published family that name and
    network belong to; what a folder in the sentence-transformers layout says. Arguments overrule it.

    Args:
        name_or_path: "minilm", "instrerank-minilm", a folder, or an id on the Hugging Face hub. Where that holds
            only a LoRA adapter, the base model that the adapter names is loaded too.
        adapter: folder or id of a LoRA adapter, merged into the weights.
        pooling: one of `POOLING_MODES`.
        query_template: text of a query, with {q} and {i}; literal.
        passage_template: text of a passage, with {d}; literal.
        max_length: tokens of a query and of a passage, special tokens included.
        query_encoding: "concatenation" or "attention" (see `EncoderProfile`).
        device: "auto", "cpu", "cuda", "cuda:1", ….
        dtype: "float32", "bfloat16", "float16", "int8", "int8-openvino" or "auto" (see `choose_backend`).
        batch_tokens: token budget of one batch; the backend's own when None.
        store: folder of an embedding store: passages found there are not encoded again, new ones are added.
        store_precision: of the vectors there, "float32" or "float16"; each is a store of its own.
        revision: of the hub's repository.
        trust_remote_code: run code from the model's folder.
        allow_bin: read `.bin` weights (restricted unpickling, no code) where there is no safetensors file.

    Raises:
        InputError: an unknown name, an unknown model without the flags it needs, weights that do not fit.
        MissingPrerequisiteError: a model, device or package that is not here.
    """
    files = find_model(
        name_or_path,
        adapter=adapter,
        pooling=pooling,
        query_template=query_template,
        passage_template=passage_template,
        max_length=max_length,
        query_encoding=query_encoding,
        revision=revision,
        trust_remote_code=trust_remote_code,
        allow_bin=allow_bin,
    )
    return build_encoder(
        files,
        device=device,
        dtype=dtype,
        batch_tokens=batch_tokens,
        store=store,
        store_precision=store_precision,
        trust_remote_code=trust_remote_code,
        allow_bin=allow_bin,
    )


def build_encoder(
    files: ModelFiles,
    *,
    device: str = "auto",
    dtype: str = "float32",
    batch_tokens: int | None = None,
    store: str | Path | None = None,
    store_precision: StorePrecision = "float32",
    trust_remote_code: bool = False,
    allow_bin: bool = False,
) -> Encoder:
    """Make an encoder of a model's files; arguments and errors as for `load_encoder`."""
    name, folder, lora, layout, config, profile = files
    # tokenizer and Dense layers are small: what is wrong with them shows before the weights are loaded
    tokenizer = load_tokenizer(layout.network, profile, trust_remote_code=trust_remote_code)
    dense = [load_dense(path, allow_bin=allow_bin) for path in layout.folders("Dense")]

    def backend(adapter: Path | None) -> Backend:
        return choose_backend(
            layout.network,
            config,
            profile,
            dtype=dtype,
            device=device,
            adapter=adapter,
            calibration=lambda: _calibration(tokenizer, profile),
            trust_remote_code=trust_remote_code,
            allow_bin=allow_bin,
        )

    # an adapter of the query side leaves passages, and what a store holds of them, to the base model
    query_side = lora is not None and profile.adapter_side == "query"
    pooling_settings = (profile.pooling_modes, profile.normalize, profile.pool_prefix, profile.bidirectional)
    settings = repr((pooling_settings, (profile.begin_token, profile.end_token)))
    return Encoder(
        name,
        profile,
        tokenizer,
        backend(None if query_side else lora),
        dense=dense,
        fingerprint=fingerprint([folder] if lora is None else [folder, lora], settings),
        revision=hub_commit(folder),
        query_backend=backend(lora) if query_side else None,
        passage_fingerprint=fingerprint([folder], settings) if query_side else None,
        batch_tokens=batch_tokens,
        store=store,
        store_precision=store_precision,
    )


def _calibration(tokenizer: TextTokenizer, profile: EncoderProfile) -> list[list[int]]:
    """Return the token ids of passages that any machine has."""
    passages = islice(PassageFile(POCKET / "passages.jsonl"), _CALIBRATION)
    texts = [passage_text(profile, passage.text) for passage in passages]
    return [tokens.ids for tokens in tokenizer.encode(texts, profile.max_passage_length)]


def find_model(
    name_or_path: str | Path,
    *,
    adapter: str | Path | None = None,
    pooling: str | None = None,
    query_template: str | None = None,
    passage_template: str | None = None,
    max_length: int | None = None,
    query_encoding: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    allow_bin: bool = False,
) -> ModelFiles:
    """Find a model's files and settle its profile; arguments and errors as for `load_encoder`."""
    folder, lora = _folders(str(name_or_path), adapter, revision, allow_bin, trust_remote_code)
    layout = read_layout(folder)
    config = read_json(layout.network / "config.json")
    if "model_type" not in config:
        raise InputError(f"{folder} holds no Hugging Face model: no config.json there names a model_type")
    limit = position_limit(config)
    names = [str(name) for name in (adapter, name_or_path, lora, folder) if name is not None]
    profile = _profile(names, folder, lora, layout, config, pooling, limit)
    given: dict[str, Any] = {
        "pooling": pooling,
        "query_template": query_template,
        "query_only_template": "" if query_template is not None else None,
        "default_instruction": "" if query_template is not None else None,
        "passage_template": passage_template,
        "max_query_length": max_length,
        "max_passage_length": max_length,
        "query_encoding": query_encoding,
    }
    profile = replace(profile, **{field: value for field, value in given.items() if value is not None})
    longest = max(profile.max_query_length, profile.max_passage_length)
    if limit is not None and longest > limit:
        raise InputError(f"{name_or_path} reads at most {limit} tokens, not {longest}: give a smaller --max-length")
    return ModelFiles(str(name_or_path), folder, lora, layout, config, profile)


def _folders(
    name: str, adapter: str | Path | None, revision: str | None, allow_bin: bool, code: bool
) -> tuple[Path, Path | None]:
    """Return the folder of the model and that of its adapter; `name` may be the adapter itself."""
    folder = locate(name, revision=revision, allow_bin=allow_bin, code=code)
    if adapter is not None:
        return folder, locate(str(adapter), allow_bin=allow_bin)
    if (folder / "config.json").is_file() or not (folder / "adapter_config.json").is_file():
        return folder, None
    base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not base:
        raise InputError(f"the adapter {name} does not name its base model: give that, and --adapter {name}")
    return locate(str(base), allow_bin=allow_bin, code=code), folder


def _profile(
    names: list[str],
    folder: Path,
    adapter: Path | None,
    layout: Layout,
    config: dict[str, Any],
    pooling: str | None,
    limit: int | None,
) -> EncoderProfile:
    """Return what is known of a model before the flags."""
    saved = read_profile(adapter or folder)
    if saved is not None:
        return saved
    # an adapter of a known name has its family's profile, any other reads what its base reads
    family = next(filter(None, (match_family(name, config) for name in names)), None)
    if family is not None:
        warn_of_difference(folder, layout, family, limit)
        # the small models of a family may read less than its large ones
        longest = min(length for length in (limit, layout.max_length, 10**6) if length)
        return replace(
            family,
            max_query_length=min(family.max_query_length, longest),
            max_passage_length=min(family.max_passage_length, longest),
        )
    if layout.modules:
        return layout_profile(folder, layout, limit)
    if pooling is None:
        raise InputError(
            f"{names[0]} ({config['model_type']}) is no model this project knows, and its folder is not in the "
            "sentence-transformers layout. Say how it was trained: --pooling "
            f"({', '.join(POOLING_MODES)}); where it takes prefixes, --query-template 'query: {{q}} "
            "{i}' and --passage-template 'passage: {d}'; --max-length where it is not 512"
        )
    length = min(512, limit or 512)
    return EncoderProfile(
        "given by flags",
        cast(PoolingMode, pooling),
        max_query_length=length,
        max_passage_length=length,
        source="flags",
    )
