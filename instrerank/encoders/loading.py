"""Load an encoder by name: folder, profile, tokenizer, network."""

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
"""Returns passages."""


class ModelFiles(NamedTuple):
    """The files of a model, and its profile.

    Attributes:
        name: name as the user gave it.
        folder: folder of the model.
        adapter: folder of its LoRA adapter.
        layout: layout of the model's folder.
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
    """Load a bi-encoder with the templates and pooling that it was trained with.

    Its profile is the first of: the folder's own `instrerank.json`; that of the published family that name and
    network belong to; that of a folder in the sentence-transformers layout. Options override it.

    Args:
        name_or_path: "minilm", "instrerank-minilm", a folder, or a Hugging Face id. If it contains only a LoRA
            adapter, the adapter's base model is loaded too.
        options: how to load it; default: `LoadOptions()`.
        calibration: returns passages to calibrate quantisation with (`dtype` int8-openvino).
        **changes: fields of `LoadOptions` that override `options`.

    Raises:
        InputError: an unknown name, an unknown model without the options it needs, or weights that do not fit.
        MissingPrerequisiteError: a model, device or package is not available here.
    """
    options = (options or LoadOptions()).with_changes(**changes)
    if options.kind != "biencoder" or options.is_cascade:
        raise InputError(
            f"expected a bi-encoder in one precision, got `kind` {options.kind} and `dtype` {options.dtype}"
        )
    with usable_settings(name_or_path):
        return build_encoder(find_model(name_or_path, options), options, calibration=calibration)


def build_encoder(
    files: ModelFiles, options: LoadOptions | None = None, *, calibration: Calibration | None = None
) -> Encoder:
    """Build an encoder from a model's files; arguments and errors as for `load_encoder`."""
    options = options or LoadOptions()
    name, folder, lora, layout, config, profile = files
    allow_bin, trusted = options.allow_bin, options.trust_remote_code
    # tokenizer and Dense layers are small: their errors should appear before the weights are loaded
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

    # with a query-side adapter, passages are encoded by the base model, so its stored vectors are reused
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
        dim=options.dim,
    )


def _calibration_ids(
    calibration: Calibration | None, tokenizer: TextTokenizer, profile: EncoderProfile
) -> list[list[int]]:
    """Return the token ids of the passages that calibrate a quantisation."""
    if calibration is None:
        raise InputError(
            "this `dtype` is calibrated on passages: give `calibration`, or use instrerank.load_encoder, which has "
            "its own"
        )
    texts = [passage_text(profile, text) for text in calibration()]
    return [tokens.ids for tokens in tokenizer.encode(texts, profile.max_passage_length)]


def find_model(name_or_path: str | Path, options: LoadOptions | None = None, **changes: Any) -> ModelFiles:
    """Find a model's files and determine its profile; arguments and errors as for `load_encoder`."""
    options = (options or LoadOptions()).with_changes(**changes)
    folder, lora = _folders(str(name_or_path), options)
    layout = read_layout(folder)
    config = read_json(layout.network / "config.json")
    if "model_type" not in config:
        raise InputError(f"{folder} is not a Hugging Face model: it has no config.json with a model_type")
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
                f"`{name}` must be at most {limit} tokens for {name_or_path}, got {getattr(profile, name)}: "
                f"give a smaller one"
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
        raise InputError(f"the adapter {name} does not name its base model: load the base model with `adapter` {name}")
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
    """Return a model's profile before options are applied."""
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
            f"{names[0]} ({config['model_type']}) is not a known model, and its folder is not in the "
            f"sentence-transformers layout. Give `pooling` ({', '.join(POOLING_MODES)}); if it was trained with "
            "prefixes, `query_template` such as 'query: {q} {i}' and `passage_template` such as 'passage: {d}'; and "
            "`max_length` if it is not 512"
        )
    length = min(512, limit or 512)
    return EncoderProfile(
        "given by options",
        cast(PoolingMode, pooling),
        max_query_length=length,
        max_passage_length=length,
        source="options",
    )
