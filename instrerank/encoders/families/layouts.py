"""Model folders in the sentence-transformers layout, which describe their own modules, lengths and similarity."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

from instrerank.encoders.families.profiles import OWN_CODE, EncoderProfile, PoolingMode
from instrerank.encoders.families.settings import Settings, read_settings
from instrerank.encoders.families.stored_prompts import read_prompts
from instrerank.encoders.locate import inside, read_json
from instrerank.errors import InputError, InstrerankWarning
from instrerank.files import read_json_file

_POOLING_FLAGS: dict[str, PoolingMode] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "last",
}
"""Up to sentence-transformers 5.3; several modes are concatenated in this order."""
POOLING_NAMES: dict[str, PoolingMode] = {
    "cls": "cls",
    "max": "max",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean": "weightedmean",
    "lasttoken": "last",
}
"""Since 5.4, in `pooling_mode`."""
BY_FOLDER = "sentence-transformers"
"""The family of a model that only its folder describes."""
_OWN_MODULES = "sentence_transformers."
"""Where a module's class comes from unless it is the repository's own code."""
_BEHIND = ("Dense", "LayerNorm", "Normalize", "Dropout")
"""The modules that may follow the pooling."""


class Layout(NamedTuple):
    """The parts of a model folder.

    Attributes:
        network: folder of weights, tokenizer and `config.json`.
        modules: (class, folder) of the modules after the network, in order; empty for a plain Hugging Face folder.
        max_length: maximum tokens of a text that the folder states; None if it states none.
        own_code: (class, file) of the modules that exist only as code of the repository.
        dimension: `truncate_dim`: the numbers of a vector that are kept; None: all.
        settings: what is stored beside the network.
    """

    network: Path
    modules: tuple[tuple[str, Path], ...] = ()
    max_length: int | None = None
    own_code: tuple[tuple[str, str], ...] = ()
    dimension: int | None = None
    settings: Settings = Settings()

    def folders(self, module: str) -> list[Path]:
        """Return the folders of the modules of one class."""
        return [folder for name, folder in self.modules if name == module]


def read_modules(folder: Path) -> list[tuple[str, Path]]:
    """Return (class with its package, folder) of the modules that `modules.json` lists; empty without that file.

    Raises:
        InputError: not a list of modules, or one outside the folder.
    """
    path = folder / "modules.json"
    try:
        listed = read_json_file(path) if path.is_file() else []
        return [(str(entry["type"]), inside(folder, entry["path"], path)) for entry in listed]
    except (AttributeError, TypeError, KeyError) as error:
        raise InputError(f"{path} is not a list of modules: {error}") from error


def read_layout(folder: Path) -> Layout:
    """Read `modules.json`; a folder without one is a plain network.

    Raises:
        InputError: an unsupported module, order of modules, or setting.
    """
    path = folder / "modules.json"
    if not path.is_file():
        return Layout(folder, settings=read_settings(folder))
    modules = read_modules(folder)
    own_code = tuple((name, _file_of(name)) for name, _ in modules if not name.startswith(_OWN_MODULES))
    modules = [(name.rpartition(".")[2], place) for name, place in modules]
    chain = [name for name, _ in modules]
    if not own_code and (chain[:2] != ["Transformer", "Pooling"] or not set(chain[2:]) <= set(_BEHIND)):
        raise InputError(
            f"{path}: unsupported modules {' → '.join(chain)}; expected Transformer → Pooling, then any of "
            f"{', '.join(_BEHIND)}"
        )
    network = modules[0][1] if modules else folder
    settings = read_settings(network)
    length = settings.max_length or read_json(network / "tokenizer_config.json").get("model_max_length")
    dimension = read_json(folder / "config_sentence_transformers.json").get("truncate_dim")
    if dimension is not None and (type(dimension) is not int or dimension < 1):
        raise InputError(f"{folder}: truncate_dim must be a whole number of at least 1, got {dimension!r:.60}")
    return Layout(
        network,
        tuple(modules[1:]),
        length if length and length < 10**6 else None,  # 10**30 means "unknown"
        own_code,
        dimension,
        settings,
    )


def _file_of(module: str) -> str:
    """Return the file of a class: "custom_st.Transformer" or "other/repository--custom_st.Transformer"."""
    repository, _, path = module.rpartition("--")
    file = path.rpartition(".")[0].replace(".", "/") + ".py"
    return f"{file} of {repository}" if repository else file


def layout_profile(
    folder: Path,
    layout: Layout,
    limit: int | None,
    *,
    query_prompt: str | None = None,
    passage_prompt: str | None = None,
    quietly: bool = False,
) -> EncoderProfile:
    """Return the profile of a folder in the sentence-transformers layout.

    Args:
        folder: the model's folder.
        layout: its modules.
        limit: number of positions of the network; None if there is no limit.
        query_prompt: name of the stored prompt for queries; None: the one that its name tells.
        passage_prompt: the same for passages.
        quietly: leave out the warning about prompts (a family's profile says which are meant).

    Raises:
        InputError: an unknown pooling mode, similarity or prompt, or no maximum length.
    """
    config = read_json(folder / "config_sentence_transformers.json")
    kind = config.get("model_type") or "SentenceTransformer"
    if kind != "SentenceTransformer":
        raise InputError(f"{folder} is a {kind}, not a SentenceTransformer with one vector per text")
    similarity = config.get("similarity_fn_name") or "cosine"
    if similarity not in ("cosine", "dot"):
        raise InputError(f"{folder}: unsupported similarity {similarity}. Available: cosine, dot")
    prompts = read_prompts(folder, config, query_prompt, passage_prompt, quietly=quietly)
    modes, pool_prefix = _pooling(folder, layout)
    stated = layout.settings
    if limit is not None and stated.max_length and stated.max_length > limit:
        warnings.warn(
            f"{folder.name}: {stated.path and stated.path.name} states {stated.max_length} tokens; "
            f"the network has positions for {limit}, which are read",
            InstrerankWarning,
            stacklevel=2,
        )

    def length(own: int | None) -> int:
        lengths = [one for one in (own or layout.max_length, limit) if one]
        if not lengths:
            raise InputError(f"{folder} does not state its maximum length: give `max_length`")
        return min(lengths)

    last = layout.modules[-1][0] if layout.modules else ""
    return EncoderProfile(
        family=BY_FOLDER,
        pooling=modes,
        query_template=prompts.query_template,
        query_only_template=prompts.query_only_template,
        passage_template=prompts.passage_template,
        default_instruction=prompts.default_instruction,
        max_query_length=length(stated.query_length),
        max_passage_length=length(stated.document_length),
        normalize=similarity == "cosine" or (last == "Normalize" and layout.dimension is None),
        pool_prefix=pool_prefix,
        remote_code=bool(layout.own_code),
        source=f"the folder's modules.json{prompts.source}",
    )


def _pooling(folder: Path, layout: Layout) -> tuple[tuple[PoolingMode, ...], bool]:
    """Return the pooling modes, and whether the tokens of a prompt are pooled."""
    if layout.own_code or not layout.folders("Pooling"):
        return (OWN_CODE,), True
    pooling = read_json(layout.folders("Pooling")[0] / "config.json")
    known = (*_POOLING_FLAGS, "pooling_mode", "include_prompt", "word_embedding_dimension", "embedding_dimension")
    if unknown := [name for name in pooling if name not in known]:
        raise InputError(f"{folder}: unknown pooling settings {', '.join(unknown)}. Available: {', '.join(known)}")
    named = pooling.get("pooling_mode")
    if named is None:
        flags = [flag for flag in _POOLING_FLAGS if flag in pooling]
        modes = [mode for flag, mode in _POOLING_FLAGS.items() if pooling.get(flag)]
        modes = modes if flags else [POOLING_NAMES["mean"]]
    else:
        names = [named] if isinstance(named, str) else named
        if unknown := [name for name in names if name not in POOLING_NAMES]:
            raise InputError(f"{folder}: unknown pooling {', '.join(unknown)}. Available: {', '.join(POOLING_NAMES)}")
        modes = [POOLING_NAMES[name] for name in names]
    return tuple(modes), bool(pooling.get("include_prompt", True))
