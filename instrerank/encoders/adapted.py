"""Find the parts of a model with a LoRA adapter: the folder of its base, its own, and which layout counts."""

from __future__ import annotations

from pathlib import Path

from instrerank.encoders.families.layouts import Layout, read_layout
from instrerank.encoders.locate import BUNDLED, locate, read_json
from instrerank.encoders.networks.tensors import fingerprint
from instrerank.encoders.options import LoadOptions
from instrerank.errors import InputError, InstrerankError, MissingPrerequisiteError
from instrerank.files import expanded

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)


def base_and_adapter(name: str, options: LoadOptions) -> tuple[Path, Path | None]:
    """Return the folder of a model without its adapter, and that of its adapter if it has one.

    As in transformers, a local folder with whole weights beside an adapter is the adapter's base; the base of any
    other adapter is the one that its `adapter_config.json` names.

    Args:
        name: a model, or an adapter that names its base.
        options: `adapter`, `revision`, `allow_bin` and `trust_remote_code` count.

    Raises:
        InputError: two adapters, or an adapter whose base is not named, not found, or has an adapter itself.
        MissingPrerequisiteError: the model, its adapter or its base is not available here.
    """
    allow_bin, code = options.allow_bin, options.trust_remote_code
    folder = locate(name, revision=options.revision, allow_bin=allow_bin, code=code)
    has_own = (folder / ADAPTER_CONFIG).is_file()
    adapter = folder if options.adapter is None else locate(str(options.adapter), allow_bin=allow_bin)
    if not (adapter / ADAPTER_CONFIG).is_file():
        _refuse_several(adapter)
    if adapter.resolve() != folder.resolve():
        if has_own:
            raise InputError(
                f"{name} has an adapter of its own, and `adapter` {options.adapter} is another one: merge the first "
                "into its base model (peft's merge_and_unload), or leave one of them out"
            )
        return folder, adapter
    if not has_own:
        return folder, None
    if expanded(name).is_dir() and (folder / "config.json").is_file() and _has_weights(folder):
        return folder, folder
    return _base(name, folder, allow_bin=allow_bin, code=code), folder


def files_fingerprint(name: str, options: LoadOptions) -> str:
    """Return a hex digest of the files of a model and its adapter, which are found but not loaded.

    Arguments and errors as for `base_and_adapter`.
    """
    return fingerprint([folder for folder in base_and_adapter(name, options) if folder is not None], "files")


def check_same_files(name: str, options: LoadOptions, wanted: str) -> None:
    """Check that a model here is the one that another machine has.

    Args:
        name: as for `base_and_adapter`.
        options: as for `base_and_adapter`.
        wanted: the result of `files_fingerprint` there.

    Raises:
        MissingPrerequisiteError: it is another one, or it is not available here.
    """
    here = files_fingerprint(name, options)
    if here != wanted:
        raise MissingPrerequisiteError(
            f"{name} is another model here than where the job was started (fingerprint {here[:8]}, not {wanted[:8]}): "
            "give all machines the same files"
        )


def _base(name: str, adapter: Path, *, allow_bin: bool, code: bool) -> Path:
    """Return the folder of the base model that an adapter names."""
    config = read_json(adapter / ADAPTER_CONFIG)
    base, revision = config.get("base_model_name_or_path"), config.get("revision")
    advice = f"load the base model with `adapter` {name}"
    if not base:
        raise InputError(f"the adapter {name} does not name its base model: {advice}")
    base = str(base)
    local = base in BUNDLED or expanded(base).is_dir()
    try:
        folder = locate(base, revision=None if local else revision, allow_bin=allow_bin, code=code)
    except InstrerankError as error:
        raise type(error)(
            f"the base model {base} of the adapter {name} is not here: {advice}, from where it lies now ({error})"
        ) from error
    if folder.resolve() == adapter.resolve():
        raise InputError(f"the adapter {name} names its own folder as its base model, which has no weights: {advice}")
    if (folder / ADAPTER_CONFIG).is_file():
        raise InputError(
            f"the base model {base} of the adapter {name} has an adapter itself: merge that one into its own base "
            f"model (peft's merge_and_unload), and {advice}"
        )
    return folder


def _has_weights(folder: Path) -> bool:
    """Return whether a folder has weights besides those of an adapter."""
    files = [*folder.glob("*.safetensors"), *folder.glob("*.bin")]
    return any(path.name.startswith(("model", "pytorch_model")) for path in files)


def _refuse_several(folder: Path) -> None:
    """Refuse a folder with nothing but adapters in subfolders, as peft saves those with names."""
    found = sorted(path.parent for path in folder.glob(f"*/{ADAPTER_CONFIG}"))
    if found and not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise InputError(f"{folder} has adapters in subfolders: give one of {', '.join(map(str, found))}")


def layout_over(folder: Path, adapter: Path | None) -> tuple[Path, Layout]:
    """Return the layout of a model with an adapter, and the folder that it and the prompts are read from.

    An adapter that sentence-transformers saved has a whole layout, of which only the network's weights are the base's.

    Args:
        folder: folder of the base.
        adapter: folder of the adapter.

    Raises:
        InputError: an unsupported layout.
    """
    layout = read_layout(folder)
    if adapter is None or not (adapter / "modules.json").is_file():
        return folder, layout
    return adapter, read_layout(adapter)._replace(network=layout.network)


def tokenizer_folder(network: Path, adapter: Path | None) -> Path:
    """Return the folder of a model's tokenizer: its adapter's if there is one beside it, else the network's."""
    has_own = adapter is not None and any((adapter / name).is_file() for name in _TOKENIZERS)
    return adapter if adapter is not None and has_own else network
