"""What runs the network: token ids in, token states out. Padding never leaves this module."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from instrerank.encoders.adapters import merge_adapter
from instrerank.encoders.profiles import EncoderProfile
from instrerank.encoders.tensors import bin_hint
from instrerank.errors import InputError, MissingPrerequisiteError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16", "int8", "auto")


class Backend(Protocol):
    """A network ready to run.

    Attributes:
        hidden_size: width of a token state.
        dtype: precision of weights and states as users name it, such as "float32".
        device: "cpu", "cuda:0", …
        workers: how many batches may be asked for at the same time, each from a thread of its own.
        batch_tokens: tokens a batch should have when nobody says otherwise.
    """

    hidden_size: int
    dtype: str
    device: str
    workers: int
    batch_tokens: int

    def token_states(self, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Run one batch.

        Args:
            token_ids: the ids of each text, special tokens included, without padding.

        Returns:
            [tokens, hidden_size], the texts one after the other in the order given, real tokens only, on
            `device`, in the precision of the network.
        """
        ...


def choose_backend(
    folder: Path,
    config: dict[str, Any],
    profile: EncoderProfile,
    *,
    dtype: str = "float32",
    device: str = "auto",
    adapter: Path | None = None,
    trust_remote_code: bool = False,
    allow_bin: bool = False,
) -> Backend:
    """Return the fastest backend that computes what this model asks for.

    Args:
        folder: where the network's weights and `config.json` lie.
        config: the content of `config.json`.
        profile: decides whether attention is causal and whether the repository's code is needed.
        dtype: one of `DTYPES`; "auto" is bfloat16 on a GPU that has it, else float32.
        device: "auto" (the first GPU, else the CPU) or a torch device, which must then exist.
        adapter: folder of a LoRA adapter to merge into the weights.
        trust_remote_code: run code from the model's folder.
        allow_bin: read `.bin` weights (restricted unpickling) where there is no safetensors file.

    Raises:
        InputError: an unknown dtype, one this network has not; weights that cannot be read or do not fit.
        MissingPrerequisiteError: no such device, or a package is missing.
    """
    if dtype not in DTYPES:
        raise InputError(f"unknown dtype {dtype!r}: choose from {', '.join(DTYPES)}")
    place = resolve_device(device)
    if profile.remote_code and not trust_remote_code:
        raise InputError(
            f"{profile.family} models run only with the code of their own repository. If you trust it, say "
            "so: trust_remote_code=True (--trust-remote-code)"
        )
    if dtype == "int8":
        raise InputError(f"int8 is not available for {config.get('model_type')} networks: choose another --dtype")
    model = load_transformer(folder, config, dtype, place, trust_remote_code=trust_remote_code, allow_bin=allow_bin)
    if adapter is not None:
        model = merge_adapter(model, adapter, allow_bin=allow_bin)
    return TransformersBackend(model, bidirectional=profile.bidirectional)


def resolve_device(device: str) -> str:
    """Return the torch device that `device` stands for.

    Raises:
        InputError: not the name of a device.
        MissingPrerequisiteError: a device this machine does not have.
    """
    import torch

    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise InputError(f"unknown device {device!r}: choose auto, cpu, cuda or cuda:N") from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise MissingPrerequisiteError(
            f"no device {device}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices. "
            "Use --device cpu or auto"
        )
    return f"cuda:{found.index or 0}" if found.type == "cuda" else str(found)


def load_transformer(
    folder: Path, config: dict[str, Any], dtype: str, device: str, *, trust_remote_code: bool, allow_bin: bool
) -> torch.nn.Module:
    """Load a network without its language-model head through transformers, ready for inference.

    Raises:
        InputError: the weights are missing, corrupt, or not those of this architecture.
    """
    import torch
    import transformers

    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "float32"
    # T5's AutoModel has a decoder too
    auto = transformers.T5EncoderModel if config.get("model_type") == "t5" else transformers.AutoModel
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        model, info = auto.from_pretrained(
            str(folder),
            dtype=getattr(torch, dtype),
            use_safetensors=None if allow_bin else True,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:  # corrupt files raise whatever their parsers raise
        raise InputError(
            f"cannot load the network in {folder}: {error}{bin_hint(folder, allow_bin=allow_bin)}"
        ) from error
    finally:
        if bars:
            transformers.utils.logging.enable_progress_bar()
    missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if missing:
        raise InputError(
            f"the weights in {folder} lack {len(missing)} parameters of a {config.get('model_type')} network "
            f"({', '.join(missing[:3])}, …): they would stay random"
        )
    if hasattr(model.config, "use_cache"):
        model.config.use_cache = False
    network: torch.nn.Module = model.eval().to(device)
    return network


class TransformersBackend:
    """Any network that transformers can load; scaled-dot-product attention where it has it."""

    workers = 1

    def __init__(self, model: torch.nn.Module, *, bidirectional: bool = False):
        """Take a loaded network.

        Args:
            model: called with `input_ids` and `attention_mask`, gives `last_hidden_state`.
            bidirectional: let every token see every other one, in a decoder too.
        """
        parameter = next(model.parameters())
        self._model = model
        self._bidirectional = bidirectional
        config: Any = model.config
        self._pad = config.pad_token_id if config.pad_token_id is not None else 0
        self.hidden_size = int(config.hidden_size)
        self.dtype = str(parameter.dtype).removeprefix("torch.")
        self.device = str(parameter.device)
        self.batch_tokens = 2048 if parameter.device.type == "cpu" else 32768

    def token_states(self, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Pad on the right, run, and take the real tokens out again (see `Backend.token_states`)."""
        import torch

        lengths = torch.tensor([len(ids) for ids in token_ids])
        mask = torch.arange(int(lengths.max())) < lengths.unsqueeze(1)
        padded = torch.full(mask.shape, self._pad)
        padded[mask] = torch.tensor([index for ids in token_ids for index in ids])
        padded, mask = padded.to(self.device), mask.to(self.device)
        attention = self._unmasked(mask) if self._bidirectional else mask.long()
        states: torch.Tensor = self._model(input_ids=padded, attention_mask=attention).last_hidden_state
        return states[mask]

    def _unmasked(self, mask: torch.Tensor) -> torch.Tensor:
        """An additive mask of all pairs: decoders take one of four dimensions as it is, without causality."""
        import torch

        dtype = getattr(torch, self.dtype)
        pairs = mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1)
        return torch.zeros(pairs.shape, dtype=dtype, device=mask.device).masked_fill(~pairs, torch.finfo(dtype).min)
