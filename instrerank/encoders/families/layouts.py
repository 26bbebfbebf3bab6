"""Model folders in the sentence-transformers layout, which describe their own pooling and prompts."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.encoders.families.profiles import EncoderProfile, PoolingMode
from instrerank.encoders.locate import inside, read_json
from instrerank.encoders.networks.tensors import read_weights
from instrerank.errors import InputError
from instrerank.files import read_json_file

if TYPE_CHECKING:
    import torch

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
_ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "Sigmoid")


class Layout(NamedTuple):
    """The parts of a model folder.

    Attributes:
        network: folder of weights, tokenizer and `config.json`.
        modules: (class, folder) of the modules after the network, in order; empty for a plain Hugging Face folder.
        max_length: `max_seq_length`, in the tokenizer's settings since 5.4; None if neither is set.
    """

    network: Path
    modules: tuple[tuple[str, Path], ...] = ()
    max_length: int | None = None

    def folders(self, module: str) -> list[Path]:
        """Return the folders of the modules of one class."""
        return [folder for name, folder in self.modules if name == module]


def read_layout(folder: Path) -> Layout:
    """Read `modules.json`; a folder without one is a plain network.

    Raises:
        InputError: an unsupported module or order of modules.
    """
    path = folder / "modules.json"
    if not path.is_file():
        return Layout(folder)
    try:
        listed = read_json_file(path)
        modules = [(entry["type"].rpartition(".")[2], inside(folder, entry["path"], path)) for entry in listed]
    except (AttributeError, TypeError, KeyError) as error:
        raise InputError(f"{path} is not a list of modules: {error}") from error
    chain = [name for name, _ in modules]
    dense = chain.count("Dense")
    if chain not in (["Transformer", "Pooling"] + ["Dense"] * dense + end for end in ([], ["Normalize"])):
        raise InputError(
            f"{path}: unsupported modules {' → '.join(chain)}; expected Transformer → Pooling [→ Dense …] "
            "[→ Normalize]"
        )
    network = modules[0][1]
    length = read_json(network / "sentence_bert_config.json").get("max_seq_length")
    length = length or read_json(network / "tokenizer_config.json").get("model_max_length")
    # 10**30 means "unknown"
    return Layout(network, tuple(modules[1:]), length if length and length < 10**6 else None)


def layout_profile(folder: Path, layout: Layout, limit: int | None) -> EncoderProfile:
    """Return the profile of a folder in the sentence-transformers layout.

    Args:
        folder: the model's folder.
        layout: its modules.
        limit: number of positions of the network; None if there is no limit.

    Raises:
        InputError: an unknown pooling mode or similarity, or no maximum length.
    """
    pooling = read_json(layout.folders("Pooling")[0] / "config.json")
    named = pooling.get("pooling_mode")
    if named is None:
        modes = [mode for flag, mode in _POOLING_FLAGS.items() if pooling.get(flag)]
    else:
        names = [named] if isinstance(named, str) else named
        if unknown := [name for name in names if name not in POOLING_NAMES]:
            raise InputError(f"{folder}: unknown pooling {', '.join(unknown)}. Available: {', '.join(POOLING_NAMES)}")
        modes = [POOLING_NAMES[name] for name in names]
    config = read_json(folder / "config_sentence_transformers.json")
    similarity = config.get("similarity_fn_name") or "cosine"
    if similarity not in ("cosine", "dot"):
        raise InputError(f"{folder}: unsupported similarity {similarity}. Available: cosine, dot")
    query, passage = _prompts(config)
    lengths = [length for length in (layout.max_length, limit) if length]
    if not lengths:
        raise InputError(f"{folder} does not state its maximum length: give `max_length`")
    return EncoderProfile(
        family="sentence-transformers",
        pooling=tuple(modes),
        query_template=query + "{q} {i}",
        passage_template=passage + "{d}",
        max_query_length=min(lengths),
        max_passage_length=min(lengths),
        normalize=similarity == "cosine" or bool(layout.folders("Normalize")),
        pool_prefix=bool(pooling.get("include_prompt", True)),
        source="the folder's modules.json",
    )


def _prompts(config: dict[str, Any]) -> tuple[str, str]:
    """Return the prompts of queries and passages, looked up in the order of `encode_query` and `encode_document`."""
    known: dict[str, str] = config.get("prompts") or {}
    default = config.get("default_prompt_name") or ""

    def first(*names: str) -> str:
        return next((known[name] for name in names if known.get(name) is not None), "")

    return first("query", default), first("document", "passage", "corpus", default)


def warn_of_difference(folder: Path, layout: Layout, profile: EncoderProfile, limit: int | None) -> None:
    """Warn if a published folder contradicts its family's profile: one of them is wrong."""
    if not layout.modules:
        return
    said = layout_profile(folder, layout, limit)
    ours = {
        "query prompt": profile.query_template.partition("{")[0],
        "passage prompt": profile.passage_template.partition("{")[0],
        "pooling": profile.pooling_modes,
    }
    theirs = {
        "query prompt": said.query_template.partition("{")[0],
        "passage prompt": said.passage_template.partition("{")[0],
        "pooling": said.pooling_modes,
    }
    for what, own in ours.items():
        # many published folders have no prompts; instructions fill the rest of an `Instruct:` prompt
        if theirs[what] and not str(theirs[what]).startswith(str(own) or "\0"):
            warnings.warn(
                f"{folder.name}: its {what} {theirs[what]!r} differs from {own!r} of the profile {profile.family}, "
                "which is used; load options override both",
                stacklevel=2,
            )


class Dense(NamedTuple):
    """A linear layer after pooling, with its activation."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    activation: str

    def __call__(self, vectors: torch.Tensor) -> torch.Tensor:
        """Apply the layer to float32 [n, in], giving float32 [n, out]."""
        import torch

        weight = self.weight.to(vectors.device)
        bias = None if self.bias is None else self.bias.to(vectors.device)
        result: torch.Tensor = getattr(torch.nn, self.activation)()(torch.nn.functional.linear(vectors, weight, bias))
        return result


def load_dense(folder: Path, *, allow_bin: bool = False) -> Dense:
    """Load a Dense module.

    Raises:
        InputError: weights that cannot be read, or an unsupported variant of the module.
    """
    config = read_json(folder / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh")).rpartition(".")[2]
    if activation not in _ACTIVATIONS or config.get("use_residual"):
        raise InputError(f"{folder}: a Dense layer with a residual or with {activation} is not supported")
    weights = read_weights(folder / "model.safetensors", folder / "pytorch_model.bin", allow_bin=allow_bin)
    weight, bias = weights.get("linear.weight"), weights.get("linear.bias")
    if weight is None:
        raise InputError(f"{folder} is not a Dense layer: its weights are {', '.join(sorted(weights))}")
    return Dense(weight.float(), None if bias is None else bias.float(), activation)
