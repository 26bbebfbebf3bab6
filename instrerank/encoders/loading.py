"""From a name to a ready encoder: folder, profile, tokenizer, network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from instrerank.encoders.encoder import Encoder
from instrerank.encoders.families.layouts import Layout, layout_profile, load_dense, read_layout, warn_of_difference
from instrerank.encoders.families.profiles import POOLING_MODES, EncoderProfile, PoolingMode, read_profile
from instrerank.encoders.families.table import match_family
from instrerank.encoders.families.texts import passage_text
from instrerank.encoders.locate import hub_commit, locate, position_limit, read_json, usable_settings
from instrerank.encoders.networks.backends import Backend, choose_backend
from instrerank.encoders.networks.tensors import fingerprint
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.tokenizing import TextTokenizer, load_tokenizer
from instrerank.errors import InputError

Calibration = Callable[[], Iterable[str]]
"""Gives passages."""


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
    options: LoadOptions | None = None,
    *,
    calibration: Calibration | None = None,
    **changes: Any,
) -> Encoder:
    """Load a bi-encoder as its authors meant it.

    Its profile is the first of: the folder's own `instrerank.json`; the published family that name and
    network belong to; what a folder in the sentence-transformers layout says. Options overrule it.

    Args:
        name_or_path: "minilm", "instrerank-minilm", a folder, or an id on the Hugging Face hub. Where that holds
            only a LoRA adapter, the base model that the adapter names is loaded too.
        options: how it is loaded; those of `LoadOptions` by default.
        calibration: gives passages for a quantisation that has to see some (`dtype` int8-openvino).
        **changes: fields of `LoadOptions` that differ from `options`.

    Raises:
        InputError: an unknown name, an unknown model without the options it needs, weights that do not fit.
        MissingPrerequisiteError: a model, device or package that is not here.
    """
    options = (options or LoadOptions()).with_changes(**changes)
    if options.kind != "biencoder" or options.is_cascade:
        raise InputError(f"a bi-encoder in one precision is wanted here, not `kind` {options.kind}, {options.dtype}")
    with usable_settings(name_or_path):
        return build_encoder(find_model(name_or_path, options), options, calibration=calibration)


def build_encoder(
    files: ModelFiles, options: LoadOptions | None = None, *, calibration: Calibration | None = None
) -> Encoder:
    """Make an encoder of a model's files; arguments and errors as for `load_encoder`."""
    options = options or LoadOptions()
    name, folder, lora, layout, config, profile = files
    allow_bin, trusted = options.allow_bin, options.trust_remote_code
    # tokenizer and Dense layers are small: what is wrong with them shows before the weights are loaded
    tokenizer = load_tokenizer(layout.network, profile, trust_remote_code=trusted)
    dense = [load_dense(path, allow_bin=allow_bin) for path in layout.folders("Dense")]

    def backend(adapter: Path | None) -> Backend:
        return choose_backend(
            layout.network,
            config,
            profile,
            dtype=options.dtype,
            device=options.device,
            adapter=adapter,
            calibration=lambda: _calibration_ids(calibration, tokenizer, profile),
            trust_remote_code=trusted,
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
        batch_tokens=options.batch_tokens,
        store=options.store_folder(),
    )


def _calibration_ids(
    calibration: Calibration | None, tokenizer: TextTokenizer, profile: EncoderProfile
) -> list[list[int]]:
    """Return the token ids of the passages that a quantisation sees."""
    if calibration is None:
        raise InputError(
            "this `dtype` is quantised over passages: give some as `calibration` (instrerank.load_encoder has its own)"
        )
    texts = [passage_text(profile, text) for text in calibration()]
    return [tokens.ids for tokens in tokenizer.encode(texts, profile.max_passage_length)]


def find_model(name_or_path: str | Path, options: LoadOptions | None = None, **changes: Any) -> ModelFiles:
    """Find a model's files and settle its profile; arguments and errors as for `load_encoder`."""
    options = (options or LoadOptions()).with_changes(**changes)
    folder, lora = _folders(str(name_or_path), options)
    layout = read_layout(folder)
    config = read_json(layout.network / "config.json")
    if "model_type" not in config:
        raise InputError(f"{folder} holds no Hugging Face model: no config.json there names a model_type")
    limit = position_limit(config)
    names = [str(name) for name in (options.adapter, name_or_path, lora, folder) if name is not None]
    profile = _profile(names, folder, lora, layout, config, options.pooling, limit)
    given: dict[str, Any] = {
        "pooling": options.pooling,
        "query_template": options.query_template,
        "query_only_template": "" if options.query_template is not None else None,
        "default_instruction": "" if options.query_template is not None else None,
        "passage_template": options.passage_template,
        "max_query_length": options.max_query_length or options.max_length,
        "max_passage_length": options.max_passage_length or options.max_length,
        "query_encoding": options.query_encoding,
    }
    profile = replace(profile, **{field: value for field, value in given.items() if value is not None})
    for name in ("max_query_length", "max_passage_length"):
        if limit is not None and getattr(profile, name) > limit:
            raise InputError(
                f"{name_or_path} reads at most {limit} tokens, not {getattr(profile, name)}: give a smaller `{name}`, "
                f"or `max_length` for both"
            )
    return ModelFiles(str(name_or_path), folder, lora, layout, config, profile)


def _folders(name: str, options: LoadOptions) -> tuple[Path, Path | None]:
    """Return the folder of the model and that of its adapter; `name` may be the adapter itself."""
    allow_bin, code = options.allow_bin, options.trust_remote_code
    folder = locate(name, revision=options.revision, allow_bin=allow_bin, code=code)
    if options.adapter is not None:
        return folder, locate(str(options.adapter), allow_bin=allow_bin)
    if (folder / "config.json").is_file() or not (folder / "adapter_config.json").is_file():
        return folder, None
    base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
    if not base:
        raise InputError(f"the adapter {name} does not name its base model: give that, and `adapter` {name}")
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
    """Return what is known of a model before the options."""
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
            f"{names[0]} ({config['model_type']}) is not a model this project knows, and its folder is not in the "
            "sentence-transformers layout. Say how it was trained: `pooling` "
            f"({', '.join(POOLING_MODES)}); where it takes prefixes, `query_template` 'query: {{q}} "
            "{i}' and `passage_template` 'passage: {d}'; `max_length` where it is not 512"
        )
    length = min(512, limit or 512)
    return EncoderProfile(
        "given by options",
        cast(PoolingMode, pooling),
        max_query_length=length,
        max_passage_length=length,
        source="options",
    )
