"""Load an encoder by name: folder, profile, tokenizer, network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from instrerank.encoders.adapted import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    base_and_adapter,
    layout_over,
    tokenizer_folder,
)
from instrerank.encoders.encoder import Encoder
from instrerank.encoders.families.layouts import BY_FOLDER, Layout, layout_profile
from instrerank.encoders.families.profiles import OWN_CODE, POOLING_MODES, EncoderProfile, PoolingMode, read_profile
from instrerank.encoders.families.recognition import reconciled, resemblance, warn_of_resemblance
from instrerank.encoders.families.stored_prompts import chosen_prompts
from instrerank.encoders.families.supported import check_supported, own_classes
from instrerank.encoders.families.table import family_of, match_family
from instrerank.encoders.layers import load_layers
from instrerank.encoders.locate import hub_commit, position_limit, read_json, usable_settings
from instrerank.encoders.networks.backends import Backend, choose_backend
from instrerank.encoders.networks.tensors import fingerprint
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.own_code import load_own_code
from instrerank.encoders.texts import passage_text
from instrerank.encoders.tokenizing import TextTokenizer, load_tokenizer
from instrerank.errors import InputError

BY_OPTIONS = "given by options"
"""The family of a model that only options describe."""
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
        appends_instructions: whether nothing in the model has a place for instructions (see `Encoder`).
    """

    name: str
    folder: Path
    adapter: Path | None
    layout: Layout
    config: dict[str, Any]
    profile: EncoderProfile
    appends_instructions: bool = False

    @property
    def tokenizer(self) -> Path:
        """Folder of the tokenizer."""
        # a query-side adapter leaves passages to its base
        return tokenizer_folder(self.layout.network, None if self.profile.adapter_side == "query" else self.adapter)

    @property
    def bare_query_adapter(self) -> Path | None:
        """Folder of the adapter of queries without an instruction, where they have one of their own.

        Raises:
            InputError: the profile names one that is not there.
        """
        if self.adapter is None or self.profile.bare_query_adapter is None:
            return None
        folder = self.adapter / self.profile.bare_query_adapter
        missing = [name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS) if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"{self.name} has two adapters, and that of queries without an instruction lacks "
                f"{folder / missing[0]}: copy the whole folder again"
            )
        return folder


def load_encoder(
    name_or_path: str | Path,
    options: LoadOptions | None = None,
    *,
    calibration: Calibration | None = None,
    **changes: Any,
) -> Encoder:
    """Load a bi-encoder with the templates and pooling that it was trained with.

    Its profile is the folder's own `instrerank.json`, or what the folder in the sentence-transformers layout says, and
    for the rest that of the published family that name and network belong to. Options override it.

    Args:
        name_or_path: "minilm", "instrerank-minilm", a folder, or a Hugging Face id. If it is a LoRA adapter,
            its base model is loaded too.
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
    name, folder, lora, layout, config, profile, _ = files
    allow_bin, trusted = options.allow_bin, options.trust_remote_code
    if profile.pooling_modes == (OWN_CODE,):
        return load_own_code(
            name,
            folder,
            profile,
            dtype=options.dtype,
            device=options.device,
            allow_bin=allow_bin,
            **_identity(files, options),
        )
    family = family_of(profile)
    if trusted and family is not None and family.whole:
        raise InputError(
            f"{name}: the vectors of {profile.family} come from its repository's own modules as a whole, not from its "
            "network, which is all that this folder has"
        )
    # with a query-side adapter, passages are encoded by the base model, so its stored vectors are reused
    query_side = lora is not None and profile.adapter_side == "query"
    # tokenizer and layers are small: their errors should appear before the weights are loaded
    tokenizer = load_tokenizer(files.tokenizer, profile, trust_remote_code=trusted)
    layers = load_layers(layout, allow_bin=allow_bin)

    bare = files.bare_query_adapter

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

    return Encoder(
        name,
        profile,
        tokenizer,
        backend(None if query_side else lora),
        layers=layers,
        query_backend=backend(lora) if query_side else None,
        bare_query_backend=None if bare is None else backend(bare),
        passage_fingerprint=fingerprint([folder], _decisive(files)) if query_side else None,
        **_identity(files, options),
    )


def _decisive(files: ModelFiles) -> str:
    """Return what decides a model's vectors besides its files, for its fingerprint."""
    profile, dimension = files.profile, files.layout.dimension
    pooling = (profile.pooling_modes, profile.normalize, profile.pool_prefix, profile.bidirectional)
    settings = repr((pooling, (profile.begin_token, profile.end_token)))
    settings += "" if dimension is None else f" of {dimension} dimensions"
    if files.adapter is not None and profile.adapter_side == "both":
        settings += " merged under the names in training"  # not vectors stored before all patterns were followed
    return settings


def _identity(files: ModelFiles, options: LoadOptions) -> dict[str, Any]:
    """Return the arguments of `Encoder` that do not depend on how the network runs."""
    folders = [files.folder] if files.adapter is None else [files.folder, files.adapter]
    return {
        "fingerprint": fingerprint(folders, _decisive(files)),
        "revision": hub_commit(files.folder),
        "batch_tokens": options.batch_tokens,
        "store": options.store_folder(),
        "dim": options.dim,
        "appends_instructions": files.appends_instructions,
    }


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
    folder, lora = base_and_adapter(str(name_or_path), options)
    home, layout = layout_over(folder, lora)
    config = read_json(layout.network / "config.json")
    if "model_type" not in config:
        raise InputError(f"{folder} is not a Hugging Face model: it has no config.json with a model_type")
    check_supported(folder, layout, config, trusted=options.trust_remote_code, adapter=lora is not None)
    limit = position_limit(config)
    names = [str(name) for name in (options.adapter, name_or_path, lora, folder) if name is not None]
    profile = _profile(names, home, lora, layout, config, options, limit)
    profile = _with_own_code(profile, layout, config, options.pooling)
    profile = replace(profile, **chosen_prompts(home, options.query_prompt, options.passage_prompt))
    profile = options.applied_to(profile, limit, str(name_or_path))
    appends = (
        profile.family in (BY_FOLDER, BY_OPTIONS)
        and profile.query_template.endswith("{q} {i}")
        and profile.query_encoding == "concatenation"
        and options.query_template is None
        and read_profile(lora or folder) is None  # a model that instrerank trained has learnt where they are
    )
    return ModelFiles(str(name_or_path), folder, lora, layout, config, profile, appends)


def _profile(
    names: list[str],
    folder: Path,
    adapter: Path | None,
    layout: Layout,
    config: dict[str, Any],
    options: LoadOptions,
    limit: int | None,
) -> EncoderProfile:
    """Return a model's profile before options are applied."""
    saved = read_profile(adapter or folder)
    if saved is not None:
        return saved
    # an adapter of a known name has its family's profile, any other reads what its base reads
    family = next(filter(None, (match_family(name, config) for name in names)), None)
    if folder == adapter:  # its own layout says all that its base's would
        family = None
    if layout.modules:
        said = layout_profile(
            folder,
            layout,
            limit,
            query_prompt=options.query_prompt,
            passage_prompt=options.passage_prompt,
            quietly=family is not None or options.query_template is not None,
        )
        if family is not None:
            return reconciled(family, folder, layout, said)
        if options.query_template is None:
            warn_of_resemblance(names[0], said, resemblance(names, config))
        return said
    if family is not None:
        # the small models of a family may read less than its large ones
        longest = min(length for length in (limit, layout.max_length, 10**6) if length)
        return replace(
            family,
            max_query_length=min(family.max_query_length, longest),
            max_passage_length=min(family.max_passage_length, longest),
        )
    return _profile_by_options(names, config, options, limit)


def _profile_by_options(
    names: list[str], config: dict[str, Any], options: LoadOptions, limit: int | None
) -> EncoderProfile:
    """Return the profile of a model of which neither its folder nor its name says how it reads texts."""
    like = resemblance(names, config)
    if options.pooling is None:
        hint = "" if like is None else f". It may be of the family {like.profile.family} ({like.found_in}), which has "
        if like is not None:
            hint += f"pooling {'+'.join(like.profile.pooling_modes)}, {like.profile.query_template!r}, "
            hint += repr(like.profile.passage_template)
        raise InputError(
            f"{names[0]} ({config['model_type']}) is not a known model, and its folder is not in the "
            f"sentence-transformers layout. Give `pooling` ({', '.join(POOLING_MODES)}); if it was trained with "
            "prefixes, `query_template` such as 'query: {q} {i}' and `passage_template` such as 'passage: {d}'; and "
            f"`max_length` if it is not 512{hint}"
        )
    length = min(512, limit or 512)
    profile = EncoderProfile(
        BY_OPTIONS,
        cast(PoolingMode, options.pooling),
        max_query_length=length,
        max_passage_length=length,
        source="options",
    )
    if options.query_template is None:
        warn_of_resemblance(names[0], profile, like)
    return profile


def _with_own_code(
    profile: EncoderProfile, layout: Layout, config: dict[str, Any], pooling: str | None
) -> EncoderProfile:
    """Return a profile that names code of the repository, which runs the network, or all of a model of no family."""
    own = bool(own_classes(layout.network, config))
    if layout.own_code or (own and layout.modules and profile.family == BY_FOLDER):
        if pooling is not None:
            raise InputError("the pooling of this model is its repository's own code: leave `pooling` out")
        return replace(profile, pooling=(OWN_CODE,), remote_code=True)
    return replace(profile, remote_code=True) if own else profile
