"""Recognise and load late-interaction models: ColBERT checkpoints in three layouts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instrerank.encoders.families.layouts import read_modules
from instrerank.encoders.families.profiles import EncoderProfile, read_profile
from instrerank.encoders.families.stored_prompts import literal, query_template
from instrerank.encoders.late_interaction import LateInteraction
from instrerank.encoders.locate import hub_commit, locate, position_limit, read_json
from instrerank.encoders.networks.tensors import bin_hint, fingerprint
from instrerank.encoders.networks.transformers import (
    DTYPES,
    load_network,
    no_progress_bars,
    resolve_device,
    resolve_dtype,
)
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.stores.store import StoreKey
from instrerank.encoders.stores.token_store import TokenStore
from instrerank.errors import InputError, MissingPrerequisiteError, pip_install

KIND = "late-interaction"


def is_late_interaction(folder: Path) -> bool:
    """Return whether a folder says that it holds a late-interaction model.

    It does if it is Stanford's (architecture `HF_ColBERT`), PyLate's (model type `ColBERT`, or modules or markers of
    PyLate) or sentence-transformers' own (model type `MultiVectorEncoder`).
    """
    settings = read_json(folder / "config_sentence_transformers.json")
    if settings.get("model_type") in ("ColBERT", "MultiVectorEncoder") or "query_prefix" in settings:
        return True
    if "HF_ColBERT" in (read_json(folder / "config.json").get("architectures") or ()):
        return True
    return any(name.startswith("pylate.") or ".multi_vector_encoder." in name for name, _ in read_modules(folder))


def load_late_interaction(name_or_path: str | Path, options: LoadOptions) -> LateInteraction:
    """Load a late-interaction model by sentence-transformers' multi-vector class.

    Args:
        name_or_path: folder or Hugging Face id.
        options: load options with `kind` "late-interaction".

    Raises:
        InputError: another kind of model, options that do not suit it, or weights that do not fit.
        MissingPrerequisiteError: a model, device or package is not available here.
    """
    name, trusted = str(name_or_path), options.trust_remote_code
    folder = locate(name, revision=options.revision, allow_bin=options.allow_bin, code=trusted)
    network = _network_folder(folder, options)
    device = resolve_device(options.device)
    dtype = resolve_dtype(options.dtype, device)
    if dtype not in DTYPES:
        raise InputError(f"`kind` {KIND} runs in {', '.join(DTYPES)}, got `dtype` {dtype}")
    try:
        from sentence_transformers import MultiVectorEncoder
    except ImportError as error:
        raise MissingPrerequisiteError(
            f"late interaction needs sentence-transformers>=6: {pip_install('late-interaction')}"
        ) from error
    # loaded by us first: sentence-transformers leaves parameters that a checkpoint lacks random
    loading: dict[str, Any] = {"trust_remote_code": trusted, "allow_bin": options.allow_bin}
    with _without_load_reports():
        ours = load_network(network, "AutoModel", dtype=dtype, device=device, **loading)
        model = MultiVectorEncoder(
            str(folder),
            device=device,
            local_files_only=True,
            trust_remote_code=trusted,
            model_kwargs={"use_safetensors": None if options.allow_bin else True},
        )
    model[0].model = ours
    model.to(dtype=next(ours.parameters()).dtype).eval()
    profile = _profile(folder, network, model, options)
    digest = fingerprint([folder], f"late interaction {read_json(folder / 'artifact.metadata')}")
    return LateInteraction(
        name,
        model,
        profile,
        fingerprint=digest,
        revision=hub_commit(folder),
        batch_tokens=options.batch_tokens,
        store=_store(model, profile, digest, options),
    )


@contextmanager
def _without_load_reports() -> Iterator[None]:
    """Silence transformers' report of the projection, which is not part of the network."""
    import transformers

    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        with no_progress_bars():
            yield
    finally:
        transformers.logging.set_verbosity(level)


def _network_folder(folder: Path, options: LoadOptions) -> Path:
    """Return the folder of the network, after checks of what sentence-transformers would load.

    Raises:
        InputError: not a late-interaction model (a projection would be random), or files that are not read.
    """
    if not is_late_interaction(folder):
        raise InputError(
            f"{folder} does not say that it is a late-interaction model (`kind` {KIND}): its config.json has no "
            "architecture HF_ColBERT, and config_sentence_transformers.json and modules.json name neither PyLate nor "
            "MultiVectorEncoder"
        )
    modules = read_modules(folder)
    for place in dict.fromkeys([folder, *(path for _, path in modules)]):
        if (place / "adapter_config.json").is_file():
            raise InputError(f"{place} holds an adapter: merge it into the weights, which `kind` {KIND} needs")
        if any(place.glob("*.bin")) and not any(place.glob("*.safetensors")) and not options.allow_bin:
            raise InputError(f"no safetensors file in {place}{bin_hint(place, allow_bin=False)}")
    return modules[0][1] if modules else folder


def _profile(folder: Path, network: Path, model: Any, options: LoadOptions) -> EncoderProfile:
    """Return templates and lengths, and give the model these lengths.

    The markers are the folder's prompts. A query and its instruction follow the marker with a space between them,
    unless the prompt has a place for the instruction, or the folder's `instrerank.json` other templates.

    Raises:
        InputError: a length above the number of positions, or queries that are read through a chat template.
    """
    transformer = model[0]
    if "message" in transformer.modality_config:
        raise InputError(f"{folder} reads texts through a chat template, which `kind` {KIND} does not support")
    query, passage = (
        model.prompts.get(side) or model.prompts.get(model.default_prompt_name) or "" for side in ("query", "document")
    )
    limit = position_limit(read_json(network / "config.json")) or 10**6
    longest = min(limit, transformer.max_seq_length or limit)
    expansion = transformer.query_expansion
    own = min(transformer.query_length or longest, longest)
    if expansion is not None and expansion["strategy"] == "fixed":
        own = expansion["length"]
    asked = query_template(query)
    profile = read_profile(folder) or EncoderProfile(
        KIND,
        "mean",  # no tokens are pooled: the field is not used
        query_template=asked.template,
        query_only_template=asked.query_only,
        default_instruction=asked.default_instruction,
        passage_template=literal(passage) + "{d}",
        max_query_length=own,
        max_passage_length=min(transformer.document_length or longest, longest),
        source="the folder, as sentence-transformers reads it",
    )
    profile = options.applied_to(profile, limit, str(folder))
    transformer.document_length = profile.max_passage_length
    transformer.query_length = None
    if expansion is not None and (expansion["strategy"] == "fixed" or profile.max_query_length < expansion["length"]):
        transformer.query_expansion = expansion | {"length": profile.max_query_length}
    transformer.query_length = profile.max_query_length
    return profile


def _store(model: Any, profile: EncoderProfile, digest: str, options: LoadOptions) -> TokenStore | None:
    folder = options.store_folder()
    if folder is None:
        return None
    parameter = next(model.parameters())
    key = StoreKey(
        fingerprint=digest,
        side="passage",
        template=profile.passage_template,
        max_length=profile.max_passage_length,
        dtype=str(parameter.dtype).removeprefix("torch."),
        device=parameter.device.type,
    )
    return TokenStore(folder, key, int(model.get_embedding_dimension() or 0))
