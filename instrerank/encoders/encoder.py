"""Texts in, vectors out: every distinct text once, in batches of like length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from instrerank.encoders.backends import Backend
from instrerank.encoders.pooling import pool
from instrerank.encoders.profiles import EncoderProfile
from instrerank.encoders.texts import EncoderText, passage_text, query_text
from instrerank.encoders.tokenizing import TextTokenizer, Tokens
from instrerank.errors import InputError, InstrerankError

if TYPE_CHECKING:
    import torch

    from instrerank.encoders.layouts import Dense

_TEXTS_AT_ONCE = 50_000
"""Texts tokenised together: a corpus of millions is never held as token ids, and sorting still finds its like."""


class Encoded(NamedTuple):
    """Vectors of texts, in the order the texts were given.

    Attributes:
        vectors: float32 [n, d], L2-normalised where the profile says so.
        token_counts: int64 [n], tokens the model saw, special tokens included.
        truncated: bool [n], whether the text was longer than the model reads.
    """

    vectors: np.ndarray
    token_counts: np.ndarray
    truncated: np.ndarray


class Encoder:
    """A bi-encoder that is ready to run; `load_encoder` makes one.

    Attributes:
        name: as the user gave it.
        profile: templates, pooling and lengths in use.
        dimension: width d of its vectors.
        dtype: precision the network runs in; vectors are float32 whatever it is.
        device: where it runs.
        fingerprint: hex digest of weights, config, tokenizer, adapter and of how states become vectors. Vectors
            depend on template, length and dtype besides.
    """

    def __init__(
        self,
        name: str,
        profile: EncoderProfile,
        tokenizer: TextTokenizer,
        backend: Backend,
        *,
        dense: Sequence[Dense] = (),
        fingerprint: str = "",
        batch_tokens: int | None = None,
    ):
        """Put the parts together.

        Args:
            name: shown to users and written to metadata.
            profile: how texts are put together and states pooled.
            tokenizer: made for the same profile.
            backend: runs the network.
            dense: layers between pooling and normalisation.
            fingerprint: see the class.
            batch_tokens: token budget of one batch, padding included; the backend's own when None.

        Raises:
            InputError: a token budget below 1.
        """
        if batch_tokens is not None and batch_tokens < 1:
            raise InputError(f"batch_tokens is {batch_tokens}; it must be at least 1")
        self.name, self.profile, self.fingerprint = name, profile, fingerprint
        self.tokenizer, self.backend = tokenizer, backend
        self.dtype, self.device = backend.dtype, backend.device
        self._dense = tuple(dense)
        self._batch_tokens = batch_tokens or backend.batch_tokens
        pooled = backend.hidden_size * len(profile.pooling_modes)
        self.dimension = int(self._dense[-1].weight.shape[0]) if self._dense else pooled

    def encode_queries(
        self, queries: Sequence[str], instructions: Sequence[str] | None = None, *, progress: bool = False
    ) -> Encoded:
        """Encode queries, each with its own instruction.

        Args:
            queries: n texts.
            instructions: n instructions, "" for a query without one; None for none at all.
            progress: show a progress bar.

        Raises:
            InputError: an empty query, as many instructions as there are not queries, or a template that has no
                place for an instruction or cannot do without.
        """
        if instructions is None:
            instructions = [""] * len(queries)
        if len(instructions) != len(queries):
            raise InputError(
                f"{len(queries)} queries, but {len(instructions)} instructions: give one for each query"
            )
        texts = [query_text(self.profile, *pair) for pair in zip(queries, instructions, strict=True)]
        return self._encode(texts, self.profile.max_query_length, "queries", progress)

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Encoded:
        """Encode passages, equal ones once.

        Raises:
            InputError: an empty passage.
        """
        built = [passage_text(self.profile, text) for text in texts]
        return self._encode(built, self.profile.max_passage_length, "passages", progress)

    def windows(self, text: str, size: int, stride: int) -> list[str]:
        """Cut a text into pieces of at most `size` tokens, `stride` apart (see `TextTokenizer.windows`)."""
        return self.tokenizer.windows(text, size, stride)

    def _encode(self, texts: Sequence[EncoderText], max_length: int, what: str, progress: bool) -> Encoded:
        from tqdm import tqdm

        distinct = list(dict.fromkeys(texts))
        vectors = np.empty((len(distinct), self.dimension), np.float32)
        counts = np.empty(len(distinct), np.int64)
        truncated = np.empty(len(distinct), bool)
        with tqdm(total=len(distinct), desc=what, unit="text", disable=not progress) as bar:
            for start in range(0, len(distinct), _TEXTS_AT_ONCE):
                part = distinct[start : start + _TEXTS_AT_ONCE]
                tokens = self.tokenizer.encode(part, max_length)
                counts[start : start + len(part)] = [len(one.ids) for one in tokens]
                truncated[start : start + len(part)] = [one.truncated for one in tokens]
                batches = list(_batches(part, tokens, self._batch_tokens))
                for batch, found in zip(batches, self._run(tokens, batches), strict=True):
                    vectors[[start + at for at in batch]] = found
                    bar.update(len(batch))
        where = {text: at for at, text in enumerate(distinct)}
        order = np.fromiter((where[text] for text in texts), np.int64, len(texts))
        return Encoded(vectors[order], counts[order], truncated[order])

    def _run(self, tokens: Sequence[Tokens], batches: Iterable[list[int]]) -> Iterator[np.ndarray]:
        def job(batch: list[int]) -> np.ndarray:
            return self._vectors([tokens[at] for at in batch])

        if self.backend.workers == 1:
            yield from map(job, batches)
        else:
            with ThreadPoolExecutor(self.backend.workers) as pool:
                yield from pool.map(job, batches)

    def _vectors(self, batch: Sequence[Tokens]) -> np.ndarray:
        import torch

        with torch.inference_mode():
            states = halving(lambda part: self.backend.token_states([one.ids for one in part]), batch)
            lengths = torch.tensor([len(one.ids) for one in batch], device=states.device)
            skip = torch.tensor([one.skip for one in batch], device=states.device)
            pooled = pool(states, lengths, skip, self.profile.pooling_modes)
            return self._finish(pooled)

    def _finish(self, pooled: torch.Tensor) -> np.ndarray:
        import torch

        for layer in self._dense:
            pooled = layer(pooled)
        if self.profile.normalize:
            pooled = torch.nn.functional.normalize(pooled)
        vectors: np.ndarray = pooled.cpu().numpy()
        if not np.isfinite(vectors).all():
            raise InstrerankError(
                f"{self.name} gives vectors that are not finite in {self.dtype}: use --dtype float32 or bfloat16"
            )
        return vectors


def halving(run: Callable[[Sequence[Tokens]], torch.Tensor], batch: Sequence[Tokens]) -> torch.Tensor:
    """Run a batch; where the device's memory is too small for it, its halves.

    Raises:
        InstrerankError: a single text does not fit.
    """
    import torch

    try:
        return run(batch)
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            raise InstrerankError(
                f"a text of {len(batch[0].ids)} tokens does not fit into the device's memory: lower --max-length, "
                "or use --dtype bfloat16 or --device cpu"
            ) from error
    # outside the handler, whose traceback would hold on to the memory
    torch.cuda.empty_cache()
    middle = len(batch) // 2
    return torch.cat([halving(run, batch[:middle]), halving(run, batch[middle:])])


def _batches(texts: Sequence[EncoderText], tokens: Sequence[Tokens], budget: int) -> Iterator[list[int]]:
    """Yield indices of texts of like length, longest first, whose padded size stays within `budget` tokens.

    Ties go by the text itself, so that batches, and with them the last bits of vectors, do not depend on the
    order in which texts were given.
    """
    batch: list[int] = []
    for at in sorted(range(len(texts)), key=lambda i: (-len(tokens[i].ids), texts[i])):
        if batch and (len(batch) + 1) * len(tokens[batch[0]].ids) > budget:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch
