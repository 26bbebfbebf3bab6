"""8-bit networks of OpenVINO: quantised once, over passages of this project, then kept and run by its kernels.

Scales of activations are fixed by the passages read beforehand, so that a text's states do not depend on its batch.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from instrerank.encoders.batching import padded
from instrerank.errors import InputError, MissingPrerequisiteError, pip_install
from instrerank.files import cache_folder, check_writable

if TYPE_CHECKING:
    import torch

DTYPE = "int8-openvino"


class OpenVinoBackend:
    """A network quantised by OpenVINO (a `Backend` of `instrerank.encoders.networks.backends`)."""

    dtype = DTYPE
    device = "cpu"
    batch_tokens = 1024
    least_batch_tokens = 256

    def __init__(self, network: Path, hidden_size: int, padding: int):
        """Compile a network.

        Args:
            network: the `.xml` that `quantised` returns.
            hidden_size: dimension of token states.
            padding: id of the padding token.

        Raises:
            InputError: the file is damaged.
            MissingPrerequisiteError: OpenVINO is missing.
        """
        import torch

        [openvino] = _packages("openvino")
        self.hidden_size, self.workers, self._padding = hidden_size, torch.get_num_threads(), padding
        core = openvino.Core()
        low = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        settings = {
            "NUM_STREAMS": self.workers,
            "INFERENCE_NUM_THREADS": self.workers,
            "INFERENCE_PRECISION_HINT": "bf16" if low else "f32",  # of what is not quantised
        }
        try:
            compiled = core.compile_model(network, "CPU", settings)
        except RuntimeError as error:
            raise InputError(f"cannot read {network}: remove its folder, and it will be rebuilt") from error
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.workers):
            self._idle.put(compiled.create_infer_request())

    def __repr__(self) -> str:
        return f"OpenVinoBackend({self.dtype} on {self.device}, hidden size {self.hidden_size})"

    def token_states(self, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Pad on the right, run, and remove the padding (see `Backend.token_states`)."""
        import torch

        ids, mask = padded([torch.tensor(ids) for ids in token_ids], self._padding)
        request = self._idle.get()
        try:
            states = request.infer([ids.numpy(), mask.long().numpy()])[0]
            return torch.from_numpy(states)[mask]
        finally:
            self._idle.put(request)


def quantised(
    name: str, network: Callable[[], torch.nn.Module], passages: Callable[[], Sequence[Sequence[int]]]
) -> Path:
    """Return the `.xml` of a quantised network from the cache, or make it there (half a minute).

    Weights get a scale per output, activations one per layer, chosen by nncf's post-training quantisation with
    SmoothQuant (Xiao et al. 2023, arXiv 2211.10438).

    Args:
        name: unique name of the network.
        network: loads the network in float32.
        passages: token ids of the passages whose activations determine the scales.

    Raises:
        InputError: the cache cannot be written.
        MissingPrerequisiteError: a package is missing.
    """
    openvino, nncf = _packages("openvino", "nncf")
    folder = cache_folder() / "openvino" / f"{name}-{openvino.__version__.partition('-')[0]}-{nncf.__version__}"
    if not folder.is_dir():
        check_writable(folder)
        data, loaded = nncf.Dataset([_inputs(ids) for ids in passages()]), network()
        with _silence():
            model = nncf.quantize(_converted(loaded), data, model_type=nncf.ModelType.TRANSFORMER)
        beside = Path(tempfile.mkdtemp(dir=folder.parent))
        try:
            openvino.save_model(model, beside / "network.xml")
            beside.rename(folder)
        except (OSError, RuntimeError) as error:
            if not folder.is_dir():  # otherwise another process was faster
                reason = " ".join(str(error).split())
                raise InputError(f"cannot write the quantised network to {folder.parent}: {reason}") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return folder / "network.xml"


def _packages(*names: str) -> list[Any]:
    # importing OpenVINO sends telemetry unless this package is missing
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        return [importlib.import_module(name) for name in names]
    except ImportError as error:
        raise MissingPrerequisiteError(
            f"`dtype` {DTYPE} needs the packages openvino and nncf: {pip_install('openvino')}"
        ) from error


def _inputs(ids: Sequence[int]) -> list[Any]:
    import numpy as np

    return [np.array([ids], np.int64), np.ones((1, len(ids)), np.int64)]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep progress bars off standard output, and the tracer's remarks on transformers' code to itself."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


def _converted(network: torch.nn.Module) -> Any:
    import torch

    [openvino] = _packages("openvino")

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            return self.network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    ids, mask = padded([torch.full((length,), 5) for length in (20, 10)])
    model = openvino.convert_model(States(), example_input=(ids, mask.long()))
    model.reshape({place: [-1, -1] for place in range(2)})
    return model
