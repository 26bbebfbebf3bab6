"""Texts in, vectors out: every distinct text once, in batches of similar length."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from instrerank.encoders.batching import length_sorted_batches, run_batches, run_halving
from instrerank.encoders.biencoder import BiEncoder
from instrerank.encoders.encoded import Encoded
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.forward import ForwardPass
from instrerank.encoders.layers import Layer
from instrerank.encoders.networks.backends import Backend
from instrerank.encoders.progress import counted
from instrerank.encoders.stores.store import EmbeddingStore, StoreKey
from instrerank.encoders.texts import EncoderText, passage_text, query_alone, query_text
from instrerank.encoders.tokenizing import TextTokenizer, Tokens
from instrerank.errors import InputError, InstrerankWarning

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)

TEXTS_AT_ONCE = 50_000
"""Texts tokenised together: millions are never held as token ids, yet batches have texts of similar length."""
_BATCHES = 32
"""Batches that work is cut into where that leaves them large enough."""
_PAIRS_AT_ONCE = 256
"""Pairs of instruction and query whose token states are held at once."""


class Encoder(BiEncoder):
    """A bi-encoder that is ready to run; `load_encoder` makes one.

    Attributes:
        name: as the user gave it.
        profile: templates, pooling and lengths in use.
        dimension: width d of its vectors.
        dim: number of leading dimensions that the vectors are truncated to (Matryoshka); None: all.
        dtype: precision the network runs in; vectors are float32 whatever it is.
        device: where it runs.
        fingerprint: hex digest of weights, config, tokenizer and adapter, and of how states become vectors.
            What decides a vector besides: the text as the template makes it, the maximum length, the dtype.
        revision: commit of the hub's repository, None for a model that is not from there.
    """

    def __init__(
        self,
        name: str,
        profile: EncoderProfile,
        tokenizer: TextTokenizer,
        backend: Backend,
        *,
        layers: Sequence[Layer] = (),
        fingerprint: str = "",
        revision: str | None = None,
        query_backend: Backend | None = None,
        bare_query_backend: Backend | None = None,
        passage_fingerprint: str | None = None,
        batch_tokens: int | None = None,
        store: str | Path | None = None,
        appends_instructions: bool = False,
        dim: int | None = None,
    ):
        """Put the parts together.

        Args:
            name: shown to users and written to metadata.
            profile: how texts are put together and states pooled.
            tokenizer: made for the same profile.
            backend: runs the network.
            layers: layers between pooling and normalisation.
            fingerprint: see the class.
            revision: see the class.
            query_backend: runs the network for queries, where passages have another.
            bare_query_backend: runs the network for queries without an instruction, where others have another.
            passage_fingerprint: of what encodes passages, where that is less than `fingerprint` says.
            batch_tokens: token budget of one batch, padding included; the backend's own when None.
            store: folder of an embedding store for the vectors of passages; None: they are not kept.
            appends_instructions: whether the model has no place for an instruction, so that it only comes after the
                query: the first time, a warning says so.
            dim: see the class; the store keeps whole vectors, so that all of a model's dims share them.

        Raises:
            InputError: a token budget below 1, a `dim` that the vectors do not have, or a folder that is not a store
                of this version.
        """
        if batch_tokens is not None and batch_tokens < 1:
            raise InputError(f"`batch_tokens` must be at least 1, got {batch_tokens}")
        self.name, self.profile, self.fingerprint, self.revision = name, profile, fingerprint, revision
        self.tokenizer, self.backend, self.query_backend = tokenizer, backend, query_backend or backend
        self._bare_query_backend = bare_query_backend or self.query_backend
        self._forward = ForwardPass(profile, tokenizer, layers)
        self.dtype, self.device = backend.dtype, backend.device
        self.batch_tokens = batch_tokens or backend.batch_tokens
        self._appends_instructions = appends_instructions
        self._whole = self._forward.dimension(backend.hidden_size)
        if dim is not None and not 1 <= dim <= self._whole:
            raise InputError(f"`dim` must be between 1 and {self._whole}, the dimension of {name}, got {dim}")
        self.dim, self.dimension = dim, dim or self._whole
        self.store = None
        if store is not None:
            key = StoreKey(
                fingerprint=passage_fingerprint or fingerprint,
                side="passage",
                template=profile.passage_template,
                max_length=profile.max_passage_length,
                dtype=self.dtype,
                device=self.device.partition(":")[0],
            )
            self.store = EmbeddingStore(store, key, self._whole)

    def __repr__(self) -> str:
        return f"Encoder({self.name!r}: {self.dtype} on {self.device}, {self.dimension} dimensions)"

    def encode_queries(
        self, queries: Sequence[str], instructions: Sequence[str] | None = None, *, progress: bool = False
    ) -> Encoded:
        """Encode queries, each with its own instruction.

        Args:
            queries: n texts.
            instructions: n instructions, "" for a query that has none; None: no query has one.
            progress: show a progress bar.

        Raises:
            InputError: an empty query, more or fewer instructions than queries, or a template that has no
                place for an instruction or cannot do without; a network that gives NaN or infinite numbers.
        """
        if instructions is None:
            instructions = [""] * len(queries)
        if len(instructions) != len(queries):
            raise InputError(f"{len(queries)} queries, but {len(instructions)} instructions: give each query one")
        if self._appends_instructions and any(instruction.strip() for instruction in instructions):
            self._appends_instructions = False
            warnings.warn(
                f"{self.name} has no place for instructions in its prompts: each comes after its query "
                f"({self.profile.query_template!r}); `query_template` puts it elsewhere",
                InstrerankWarning,
                stacklevel=2,
            )
        pairs = list(zip(queries, instructions, strict=True))
        if self.profile.query_encoding == "attention":
            return self._cut(self._attend(pairs, progress))
        texts = [query_text(self.profile, query, instruction) for query, instruction in pairs]
        if self._bare_query_backend is self.query_backend:
            return self._cut(self._encode_queries(texts, self.query_backend, progress))
        encoded = Encoded.empty(len(texts), self._whole)
        bare = np.array([not each.strip() for each in instructions], bool)
        for group, backend in ((bare, self._bare_query_backend), (~bare, self.query_backend)):
            encoded.put(group, self._encode_queries(list(compress(texts, group)), backend, progress))
        return self._cut(encoded)

    def _encode_queries(self, texts: Sequence[EncoderText], backend: Backend, progress: bool) -> Encoded:
        return self._encode(texts, backend, self.profile.max_query_length, "queries", progress)

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> Encoded:
        """Encode passages, or take them from the store.

        Raises:
            InputError: an empty passage, a store that cannot be written, or a network that gives NaN or infinite
                numbers.
        """
        built = [passage_text(self.profile, text) for text in texts]
        length = self.profile.max_passage_length
        return self._cut(self._encode(built, self.backend, length, "passages", progress, self.store))

    def keep_passages(self, texts: Sequence[str], *, shard_id: int, shard_num: int, progress: bool = False) -> None:
        """Encode every `shard_num`-th batch of passages into the store, from batch number `shard_id` on.

        Batches are those of `encode_passages` with the same texts, so that the vectors are, to the bit. When all
        shards are done, in any order, in this process or others, it finds all of them in the store.

        Raises:
            InputError: as for `encode_passages`.
        """
        built = [passage_text(self.profile, text) for text in texts]
        length, shard = self.profile.max_passage_length, (shard_id, shard_num)
        self._encode(built, self.backend, length, "passages", progress, self.store, shard)

    def describe(self) -> dict[str, Any]:
        """Return everything that determines the scores, for the sidecar."""
        return super().describe() | ({} if self.dim is None else {"dim": self.dim})

    def count_stored(self, texts: Sequence[str]) -> int:
        """Return how many of the distinct passages the store has; what is not there is still to be encoded."""
        if self.store is None:
            return 0
        found, _ = self.store.lookup(list(dict.fromkeys(passage_text(self.profile, text).text for text in texts)))
        return int(found.sum())

    @property
    def window_length(self) -> int:
        """Tokens of a passage that fit beside its template and the special tokens."""
        shortest = "a"
        framed = self.tokenizer.encode([passage_text(self.profile, shortest)], self.profile.max_passage_length)[0]
        return self.profile.max_passage_length - len(framed.ids) + 1

    def windows(self, text: str, size: int, stride: int) -> list[str]:
        """Cut a text into pieces of at most `size` tokens (see `tokenizing.windows`)."""
        return self.tokenizer.windows(text, size, stride)

    def _cut(self, encoded: Encoded) -> Encoded:
        """Truncate vectors to `dim`, and normalise them again if the profile does (Kusupati et al. 2022, 2205.13147).

        The order does not matter: a whole vector's norm cancels.
        """
        if self.dim is None:
            return encoded
        vectors = encoded.vectors[:, : self.dim]
        if self.profile.normalize:
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = vectors / np.maximum(norms, np.float32(1e-12))  # as torch's normalize
        return encoded._replace(vectors=vectors)

    def _encode(
        self,
        texts: Sequence[EncoderText],
        backend: Backend,
        max_length: int,
        unit: str,
        progress: bool,
        store: EmbeddingStore | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> Encoded:
        """Encode texts, each distinct one once, or take them from the store; those of other shards stay undefined.

        What is encoded after a crash is in the same batches as without: parts and token budgets depend on all of the
        texts, and rows are kept batch by batch (see `_batches`).
        """
        distinct = list(dict.fromkeys(texts))
        encoded, missing = Encoded.empty(len(distinct), self._whole), np.ones(len(distinct), bool)
        keeping: AbstractContextManager[Callable[[Sequence[int]], None]] = nullcontext(lambda rows: None)
        if store is not None:
            plain = [one.text for one in distinct]
            found, stored = store.lookup(plain)
            encoded.put(found, stored)
            del stored  # a copy
            missing, keeping = ~found, store.keeping(plain, encoded)
        with counted(int(missing.sum()), unit, progress=progress) as done, keeping as keep:
            for start in range(0, len(distinct), TEXTS_AT_ONCE):
                whole = slice(start, start + TEXTS_AT_ONCE)
                rows = start + np.flatnonzero(missing[whole])
                if not len(rows):
                    continue
                part = [distinct[row] for row in rows]
                tokens = self.tokenizer.encode(part, max_length)
                encoded.token_counts[rows] = [len(one.ids) for one in tokens]
                encoded.truncated[rows] = [one.truncated for one in tokens]
                counts = encoded.token_counts[whole]
                budget = self._budget(int(counts.sum()))
                batches = _batches([one.text for one in distinct[whole]], counts, missing[whole], budget, shard)
                job = partial(self._vectors, backend, part, tokens)
                for batch, vectors in run_batches(batches, job, backend.workers):
                    encoded.vectors[rows[batch]] = vectors
                    keep(rows[batch].tolist())
                    done(len(batch))
        # the same order, unless a text comes twice: then no copy is made
        return encoded if len(distinct) == len(texts) else _one_each(encoded, distinct, texts)

    def _budget(self, tokens: int) -> int:
        """Return the tokens of one batch: little work is cut finer, so that every worker has some.

        The number of workers must not count: other batches would give vectors with other last bits.
        """
        return min(self.batch_tokens, max(self.backend.least_batch_tokens, tokens // _BATCHES))

    def _vectors(
        self, backend: Backend, texts: Sequence[EncoderText], tokens: Sequence[Tokens], batch: list[int]
    ) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            return self._numbers(run_halving(partial(self._forward.vectors, backend), [tokens[at] for at in batch]))

    def _numbers(self, vectors: torch.Tensor) -> NDArray[np.float32]:
        return self._checked(vectors.cpu().numpy())

    def _checked(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        if not np.isfinite(numbers).all():
            advice = "its weights are damaged" if self.dtype == "float32" else "use `dtype` float32"
            raise InputError(f"{self.name} gives NaN or infinite numbers in {self.dtype}: {advice}")
        return numbers

    def _attend(self, pairs: Sequence[tuple[str, str]], progress: bool) -> Encoded:
        """Join query and instruction by attention; a query without instruction is encoded plainly."""
        distinct = sorted({pair for pair in pairs if pair[1].strip()})
        parts = [Encoded.empty(0, self._whole)]
        with counted(len(distinct), "queries", progress=progress) as done:
            for start in range(0, len(distinct), _PAIRS_AT_ONCE):
                parts.append(self._attend_part(distinct[start : start + _PAIRS_AT_ONCE]))
                done(len(parts[-1].truncated))
        plain = sorted({pair for pair in pairs if not pair[1].strip()})
        alone = [query_alone(self.profile, query) for query, _ in plain]
        parts.append(self._encode_queries(alone, self._bare_query_backend, progress))
        encoded = Encoded(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))
        return _one_each(encoded, [*distinct, *plain], pairs)

    def _attend_part(self, pairs: Sequence[tuple[str, str]]) -> Encoded:
        import torch

        with torch.inference_mode():
            vectors, tokens = self._forward.attend(self.query_backend, pairs, self.batch_tokens, run_halving)
            numbers = self._numbers(vectors)
        counts = [sum(len(side.ids) for side in sides) for sides in tokens]
        truncated = [any(side.truncated for side in sides) for sides in tokens]
        return Encoded(numbers, np.array(counts, np.int64), np.array(truncated))


def _batches(
    texts: Sequence[str], lengths: NDArray[np.int64], missing: NDArray[np.bool_], budget: int, shard: tuple[int, int]
) -> list[list[int]]:
    """Return the batches of a shard, as numbers among the texts that are missing in the store.

    A batch of all texts that is missing as a whole stays together: a killed process and other shards leave such ones.
    Batches of which other work has encoded some texts are cut anew, unless other processes have to cut the same.
    """
    number, shards = shard
    mine = length_sorted_batches(texts, lengths.tolist(), budget)[number::shards]
    batches = [[at for at in batch if missing[at]] for batch in mine]
    if shards == 1 and any(left and left != batch for left, batch in zip(batches, mine, strict=True)):
        rows = np.flatnonzero(missing).tolist()
        return length_sorted_batches([texts[row] for row in rows], lengths[rows].tolist(), budget)
    place = np.cumsum(missing) - 1
    return [place[batch].tolist() for batch in batches if batch]


def _one_each(encoded: Encoded, distinct: Sequence[Key], wanted: Sequence[Key]) -> Encoded:
    """Return a row for each of `wanted`, given those of `distinct`."""
    row = {key: at for at, key in enumerate(distinct)}
    return encoded.take([row[key] for key in wanted])
