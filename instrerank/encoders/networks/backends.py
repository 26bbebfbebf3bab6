"""Backends that run a network: token ids in, token states out. Padding is handled inside this module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from instrerank.encoders.batching import padded
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.networks import openvino
from instrerank.encoders.networks.adapters import merge_plain_adapter
from instrerank.encoders.networks.linear import pack_linears
from instrerank.encoders.networks.packed import PackedBert, PackedNetwork
from instrerank.encoders.networks.packed_distilbert import PackedDistilBert
from instrerank.encoders.networks.packed_modernbert import PackedModernBert
from instrerank.encoders.networks.packed_mpnet import PackedMPNet
from instrerank.encoders.networks.tensors import fingerprint
from instrerank.encoders.networks.transformers import DTYPES, ENCODERS, load_network, resolve_device, resolve_dtype
from instrerank.encoders.networks.weights import network_weights
from instrerank.errors import InputError

if TYPE_CHECKING:
    import torch

PACKED: tuple[type[PackedNetwork], ...] = (PackedBert, PackedMPNet, PackedDistilBert, PackedModernBert)
"""Networks that run without padding on the CPU."""


class Backend(Protocol):
    """A network ready to run.

    Attributes:
        hidden_size: dimension of token states.
        dtype: precision of weights and states as users name it, such as "float32".
        device: "cpu", "cuda:0", …
        workers: number of batches that may run in parallel, each in its own thread.
        batch_tokens: default maximum tokens per batch.
        least_batch_tokens: batches are not made smaller than this to keep all workers busy.
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
            [tokens, hidden_size], the texts one after the other in the given order, without padding, on `device`, in
            the precision of the network.
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
    """Return the fastest backend for this model.

    Args:
        folder: folder of the network's weights and `config.json`.
        config: the content of `config.json`.
        profile: decides whether attention is causal and whether the repository's code is needed.
        dtype: one of `DTYPES` but "cascade"; "auto" is bfloat16 on a GPU that supports it, else float32.
        device: "auto" (the first GPU, else the CPU) or a torch device.
        adapter: folder of a LoRA adapter to merge into the weights.
        calibration: returns token ids of passages to calibrate quantisation with.
        trust_remote_code: run Python code from the model's folder.
        allow_bin: read `.bin` weights (restricted unpickling) if there is no safetensors file.

    Raises:
        InputError: an unknown dtype, or one that this network does not support; weights that cannot be read or do not
            fit.
        MissingPrerequisiteError: the device does not exist, or a package is missing.
    """
    place = resolve_device(device)
    dtype = resolve_dtype(dtype, place)
    if profile.remote_code and not trust_remote_code:
        raise InputError(
            f"{profile.family} models need Python code from their own repository: if you trust it, set "
            "`trust_remote_code`"
        )
    packed = next((kind for kind in PACKED if kind.computes(config)), None)
    if place != "cpu" or profile.remote_code or (packed is not None and dtype not in packed.dtypes):
        packed = None
    quantised = dtype == openvino.DTYPE and place == "cpu" and PackedBert.computes(config) and not profile.remote_code
    if packed is None and not quantised and dtype not in DTYPES:
        raise InputError(
            f"{config.get('model_type')} networks do not support `dtype` {dtype} on {place}. Available: "
            f"{', '.join(DTYPES)}"
        )
    if packed is not None:
        bare = network_weights(folder, allow_bin=allow_bin)
        weights = bare if adapter is None else merge_plain_adapter(bare, adapter, packed.prefixes, allow_bin=allow_bin)
        if weights is not None:
            return packed(config, weights, dtype)

    def network(dtype: str) -> torch.nn.Module:
        return load_network(
            folder,
            ENCODERS.get(config.get("model_type", ""), "AutoModel"),
            dtype=dtype,
            device=place,
            adapter=adapter,
            trust_remote_code=trust_remote_code,
            allow_bin=allow_bin,
        )

    if quantised:
        name = fingerprint([folder] if adapter is None else [folder, adapter], repr(profile.passage_template))
        path = openvino.quantised(name, lambda: network("float32"), calibration)
        return openvino.OpenVinoBackend(path, int(config["hidden_size"]), int(config.get("pad_token_id") or 0))
    if packed is not None:  # with an adapter that only peft can merge
        return packed(config, network("float32").state_dict(), dtype)
    model = network(dtype)
    if place == "cpu" and not trust_remote_code:  # whose code may read weights
        pack_linears(model)
    return TransformersBackend(model, bidirectional=profile.bidirectional)


class TransformersBackend:
    """Any network that transformers can load, with scaled-dot-product attention if available."""

    workers = 1

    def __init__(self, model: torch.nn.Module, *, bidirectional: bool = False):
        """Take a loaded network.

        Args:
            model: takes `input_ids` and `attention_mask`, returns `last_hidden_state`.
            bidirectional: let every token attend to all others, in decoders too.
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

    def __repr__(self) -> str:
        network = type(self._model).__name__
        return f"TransformersBackend({network}: {self.dtype} on {self.device}, hidden size {self.hidden_size})"

    def token_states(self, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Pad on the right, run, and remove the padding (see `Backend.token_states`)."""
        import torch

        ids, mask = (one.to(self.device) for one in padded([torch.tensor(ids) for ids in token_ids], self._pad))
        attention = self._unmasked(mask) if self._bidirectional else mask.long()
        states: torch.Tensor = self._model(input_ids=ids, attention_mask=attention).last_hidden_state
        return states[mask]

    def _unmasked(self, mask: torch.Tensor) -> torch.Tensor:
        """Return an additive mask of all pairs: decoders use a 4-D mask as it is, without making it causal."""
        import torch

        dtype = getattr(torch, self.dtype)
        pairs = mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1)
        return torch.zeros(pairs.shape, dtype=dtype, device=mask.device).masked_fill(~pairs, torch.finfo(dtype).min)
