"""The settings that sentence-transformers stores beside a network: each is read, or refused by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instrerank.encoders.locate import read_json
from instrerank.errors import InputError

_FILES = tuple(
    f"sentence_{name}_config.json"
    for name in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""The first that holds anything counts (sentence_transformers/base/modules/transformer.py, `load_config`)."""
_TEXT = {"method": "forward", "method_output_name": "last_hidden_state"}
_FIXED: dict[str, tuple[Any, ...]] = {
    "transformer_task": ("feature-extraction",),
    "modality_config": ({"text": _TEXT},),
    "module_output_name": ("token_embeddings",),
    "query_expansion": (None,),
    "processing_kwargs": (None, {}),
    "tokenizer_name_or_path": (None,),
}
"""Settings of which only these values are supported."""
_OF_RERANKERS = ("transformer_task", "modality_config", "module_output_name", "processing_kwargs")
"""Those that `families/chat.py` reads."""
_ARGUMENTS = {
    # what decides no vector: precision and attention kernels are ours
    "model": ("attn_implementation", "torch_dtype", "dtype", "trust_remote_code", "low_cpu_mem_usage"),
    "config": ("trust_remote_code", "use_cache"),
    "tokenizer": (
        *("model_max_length", "truncation_side", "padding_side", "do_lower_case", "strip_accents"),
        *("tokenize_chinese_chars", "add_bos_token", "add_eos_token", "clean_up_tokenization_spaces"),
        *("use_fast", "trust_remote_code"),
    ),
}
"""The supported arguments of `from_pretrained`, stored as `model_args` (up to 5.3) or `model_kwargs`, …"""
_SPELT = {
    **{f"{kind}_{ending}": kind for kind in ("model", "config") for ending in ("args", "kwargs")},
    **{"tokenizer_args": "tokenizer", "tokenizer_kwargs": "tokenizer", "processor_kwargs": "tokenizer"},
}
_READ = ("max_seq_length", "do_lower_case", "query_length", "document_length", "unpad_inputs")


@dataclass(frozen=True)
class Settings:
    """What is stored beside a network.

    Attributes:
        path: the file; None if there is none.
        max_length: maximum tokens of a text.
        query_length: maximum tokens of a query, if it differs.
        document_length: maximum tokens of a passage, if it differs.
        lower_case: whether texts are lower-cased before the tokenizer's own normalisation.
        tokenizer: what replaces entries of `tokenizer_config.json`.
    """

    path: Path | None = None
    max_length: int | None = None
    query_length: int | None = None
    document_length: int | None = None
    lower_case: bool = False
    tokenizer: dict[str, Any] = field(default_factory=dict)


def read_settings_file(network: Path) -> tuple[Path | None, dict[str, Any]]:
    """Return the file with the settings in a network's folder, and all that it holds; (None, {}) without one."""
    path = next((network / name for name in _FILES if read_json(network / name)), None)
    return path, read_json(path) if path else {}


def read_settings(network: Path, *, reranker: bool = False) -> Settings:
    """Return the settings in a network's folder.

    Args:
        network: the folder.
        reranker: whether the network is not a text encoder, so that its task and its chat template are not settled.

    Raises:
        InputError: a setting, or a value of it, that is not supported.
    """
    path, stored = read_settings_file(network)
    if path is None:
        return Settings()
    for name, value in stored.items():
        if reranker and name in _OF_RERANKERS:
            continue
        if name in _FIXED:
            supported = value in _FIXED[name]
        elif name in _SPELT:
            unknown = [key for key in value or {} if key not in _ARGUMENTS[_SPELT[name]]]
            name, value, supported = f"{name}: {', '.join(unknown)}", value, not unknown
        else:
            supported = name in _READ
        if not supported:
            raise InputError(
                f"{path}: the setting {name} ({value!r:.80}) is not supported: vectors would not be the model's"
            )
    given = [stored.get(name) or {} for name, kind in _SPELT.items() if kind == "tokenizer"]
    tokenizer = {key: value for arguments in given for key, value in arguments.items()}
    return Settings(
        path,
        _tokens(path, "max_seq_length", tokenizer.get("model_max_length") or stored.get("max_seq_length")),
        _tokens(path, "query_length", stored.get("query_length")),
        _tokens(path, "document_length", stored.get("document_length")),
        bool(stored.get("do_lower_case")),
        tokenizer,
    )


def _tokens(path: Path, name: str, value: object) -> int | None:
    if value is None or (type(value) is int and value > 0):
        return value
    raise InputError(f"{path}: {name} must be a whole number of at least 1, got {value!r:.60}")
