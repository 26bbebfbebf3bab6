"""What runs the network: token ids in, token states out. Padding never leaves this module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from instrerank.encoders.batching import padded
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.networks import openvino
from instrerank.encoders.networks.adapters import merge_plain_adapter
from instrerank.encoders.networks.packed import PackedBert
from instrerank.encoders.networks.packed_modernbert import PackedModernBert
from instrerank.encoders.networks.tensors import fingerprint
from instrerank.encoders.networks.transformers import load_network, resolve_device, resolve_dtype
from instrerank.encoders.networks.weights import network_weights
from instrerank.errors import InputError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16", "int8", openvino.DTYPE, "auto")


class Backend(Protocol):
    """A network ready to run.

    Attributes:
        hidden_size: width of a token state.
        dtype: precision of weights and states as users name it, such as "float32".
        device: "cpu", "cuda:0", …
        workers: how many batches may be asked for at the same time, each from a thread of its own.
        batch_tokens: tokens a batch should have when nobody says otherwise.
        least_batch_tokens: tokens that a batch may have at the least for the sake of busy workers.
    """

    hidden_size: int
    dtype: str
    device: str
    workers: int
    batch_tokens: int
    least_batch_tokens: int

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
    calibration: Callable[[], Sequence[Sequence[int]]] = list,
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
        calibration: token ids of passages, for a quantisation that has to see some.
        trust_remote_code: run code from the model's folder.
        allow_bin: read `.bin` weights (restricted unpickling) where there is no safetensors file.

    Raises:
        InputError: an unknown dtype, one this network has not; weights that cannot be read or do not fit.
        MissingPrerequisiteError: no such device, or a package is missing.
    """
    if dtype not in DTYPES:
        raise InputError(f"unknown `dtype` {dtype!r}. Available: {', '.join(DTYPES)}")
    place = resolve_device(device)
    dtype = resolve_dtype(dtype, place)
    if profile.remote_code and not trust_remote_code:
        raise InputError(
            f"{profile.family} models run only with the code of their own repository. If you trust it, "
            "allow it by `trust_remote_code`"
        )
    packed = next((kind for kind in (PackedBert, PackedModernBert) if kind.computes(config)), None)
    if place != "cpu" or (packed is not None and dtype not in packed.dtypes):
        packed = None
    if packed is not None:
        bare = network_weights(folder, allow_bin=allow_bin)
        weights = bare if adapter is None else merge_plain_adapter(bare, adapter, packed.prefixes, allow_bin=allow_bin)
        if weights is not None:
            return packed(config, weights, dtype)

    def network(dtype: str) -> torch.nn.Module:
        return load_network(
            folder,
            # T5's AutoModel has a decoder too
            "T5EncoderModel" if config.get("model_type") == "t5" else "AutoModel",
            dtype=dtype,
            device=place,
            adapter=adapter,
            trust_remote_code=trust_remote_code,
            allow_bin=allow_bin,
        )

    if dtype == openvino.DTYPE and place == "cpu" and PackedBert.computes(config):
        name = fingerprint([folder] if adapter is None else [folder, adapter], repr(profile.passage_template))
        path = openvino.quantised(name, lambda: network("float32"), calibration)
        return openvino.OpenVinoBackend(path, int(config["hidden_size"]), int(config.get("pad_token_id") or 0))
    if packed is not None:  # with an adapter that only peft can merge
        return packed(config, network("float32").state_dict(), dtype)
    return TransformersBackend(network(dtype), bidirectional=profile.bidirectional)


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
        self.batch_tokens = self.least_batch_tokens = 2048 if parameter.device.type == "cpu" else 32768

    def token_states(self, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Pad on the right, run, and take the real tokens out again (see `Backend.token_states`)."""
        ids, mask = (one.to(self.device) for one in padded(token_ids, self._pad))
        attention = self._unmasked(mask) if self._bidirectional else mask.long()
        states: torch.Tensor = self._model(input_ids=ids, attention_mask=attention).last_hidden_state
        return states[mask]

    def _unmasked(self, mask: torch.Tensor) -> torch.Tensor:
        """An additive mask of all pairs: decoders take one of four dimensions as it is, without causality."""
        import torch

        dtype = getattr(torch, self.dtype)
        pairs = mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1)
        return torch.zeros(pairs.shape, dtype=dtype, device=mask.device).masked_fill(~pairs, torch.finfo(dtype).min)
