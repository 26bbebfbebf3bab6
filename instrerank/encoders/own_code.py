"""Models whose modules are their repository's own code: sentence-transformers runs them, on texts as we build them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from instrerank.encoders.encoder import Encoder
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.families.table import family_of
from instrerank.encoders.networks.backends import Backend
from instrerank.encoders.networks.tensors import bin_hint
from instrerank.encoders.networks.transformers import DTYPES, no_progress_bars, resolve_device, resolve_dtype
from instrerank.encoders.texts import EncoderText
from instrerank.encoders.tokenizing import Tokens, windows
from instrerank.errors import InputError, MissingPrerequisiteError, pip_install

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


class WholeModel:
    """One side of a model that sentence-transformers runs: a `Backend` that has no token states.

    Attributes:
        hidden_size: dimension of the model's vectors.
        dtype: precision of its weights.
        device: where it runs.
        workers: 1: the code may keep state.
        batch_tokens: default maximum tokens per batch.
        least_batch_tokens: the same.
    """

    workers = 1

    def __init__(self, model: Any, side: str, dtype: str, device: str, task: str | None = None):
        """Take a loaded model, the side ("query" or "document"), and the task by which it selects weights."""
        self.dtype, self.device = dtype, device
        self.hidden_size = int(model.get_embedding_dimension())
        self.batch_tokens = self.least_batch_tokens = 2048 if device == "cpu" else 32768
        self._encode = getattr(model, f"encode_{side}") if task is None else partial(model.encode, task=task)
        self._model = model

    def __repr__(self) -> str:
        return f"WholeModel({self.dtype} on {self.device}, {self.hidden_size} dimensions)"

    def token_states(self, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        """Refuse: such a model takes texts.

        Raises:
            InputError: always.
        """
        raise InputError("a model of the repository's own code has no token states: choose another `query_encoding`")

    def vectors(self, texts: Sequence[EncoderText], profile: EncoderProfile, max_length: int) -> NDArray[np.float32]:
        """Encode texts; what comes before a query or passage is the model's prompt, which it may pool or not."""
        self._model.max_seq_length = max_length
        prefixes = [one.prefix for one in texts]
        found = np.empty((len(texts), self.hidden_size), np.float32)
        for prefix in dict.fromkeys(prefixes):
            rows = [row for row, one in enumerate(prefixes) if one == prefix]
            found[rows] = self._encode(
                [texts[row].text.removeprefix(prefix) for row in rows],
                prompt=prefix,
                batch_size=len(rows),
                normalize_embeddings=profile.normalize,
                show_progress_bar=False,
            )
        return found


class WholeTokenizer:
    """The model's own tokenizer, for counts, truncation and windows."""

    def __init__(self, tokenizer: Any):
        """Take a tokenizer of transformers."""
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[EncoderText], max_length: int) -> list[Tokens]:
        """Count the tokens of texts, of which the model reads `max_length`."""
        every = self._tokenizer([text.text for text in texts], truncation=False)["input_ids"]
        return [Tokens(ids[:max_length], 0, len(ids) > max_length) for ids in every]

    def windows(self, text: str, size: int, stride: int) -> list[str]:
        """Split a text into windows of at most `size` tokens (see `tokenizing.windows`)."""
        return windows(self._tokenizer.backend_tokenizer, text, size, stride)


class OwnCodeEncoder(Encoder):
    """An encoder that sentence-transformers runs as a whole."""

    def _vectors(
        self, backend: Backend, texts: Sequence[EncoderText], tokens: Sequence[Tokens], batch: list[int]
    ) -> NDArray[np.float32]:
        assert isinstance(backend, WholeModel)
        queries = backend is self.query_backend
        length = self.profile.max_query_length if queries else self.profile.max_passage_length
        return self._checked(backend.vectors([texts[at] for at in batch], self.profile, length))


def load_own_code(
    name: str,
    folder: Path,
    profile: EncoderProfile,
    *,
    dtype: str,
    device: str,
    allow_bin: bool,
    **parts: Any,
) -> OwnCodeEncoder:
    """Load a trusted model through sentence-transformers.

    Args:
        name: as the user gave it.
        folder: the model's folder.
        profile: templates, lengths and normalisation.
        dtype: "float32", "bfloat16", "float16" or "auto".
        device: "auto" or a torch device.
        allow_bin: read `.bin` weights if there is no safetensors file.
        **parts: further arguments of `Encoder`.

    Raises:
        InputError: an unsupported dtype, or a model that cannot be loaded.
        MissingPrerequisiteError: sentence-transformers is not installed, or the device does not exist.
    """
    place = resolve_device(device)
    dtype = resolve_dtype(dtype, place)
    if dtype not in DTYPES:
        raise InputError(f"the repository's own code does not support `dtype` {dtype}. Available: {', '.join(DTYPES)}")
    import torch

    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingPrerequisiteError(
            f"running the repository's own code needs sentence-transformers>=6: {pip_install('train')}"
        ) from error
    loading: dict[str, Any] = {"dtype": getattr(torch, dtype)} | ({} if allow_bin else {"use_safetensors": True})
    try:
        with no_progress_bars():
            model = SentenceTransformer(
                str(folder), device=place, trust_remote_code=True, local_files_only=True, model_kwargs=loading
            )
        tokenizer = WholeTokenizer(model.tokenizer)
    except Exception as error:  # the repository's code raises whatever it raises
        raise InputError(f"cannot load {name}: {error}{bin_hint(folder, allow_bin=allow_bin)}") from error
    family = family_of(profile)
    tasks = (family and family.tasks) or (None, None)
    return OwnCodeEncoder(
        name,
        profile,
        tokenizer,  # type: ignore[arg-type]
        WholeModel(model.eval(), "document", dtype, place, tasks[1]),
        query_backend=WholeModel(model, "query", dtype, place, tasks[0]),
        **parts,
    )
