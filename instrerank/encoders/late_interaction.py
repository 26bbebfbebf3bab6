"""Late interaction (ColBERT): a vector for every token; each query token takes its best match among a passage's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from instrerank.encoders.batching import length_sorted_batches, run_halving
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.options import Kind
from instrerank.encoders.progress import counted
from instrerank.encoders.scored import Query, Scored, identity, model_repr
from instrerank.encoders.stores.store import SECONDS_A_SHARD
from instrerank.encoders.stores.token_store import TokenStore
from instrerank.encoders.texts import passage_text, query_text
from instrerank.encoders.token_vectors import TokenVectors, max_sims
from instrerank.encoders.tokenizing import windows
from instrerank.errors import InputError

if TYPE_CHECKING:
    import sentence_transformers
    import torch


Side = Literal["query", "document"]

_TOKENS_A_SHARD = 1 << 19
"""Tokens kept together: 128 MiB of vectors of 128 dimensions."""


class LateTexts(NamedTuple):
    """Encoded queries and passages."""

    queries: TokenVectors
    passages: TokenVectors


class LateInteraction:
    """A ColBERT model that scores by MaxSim; sentence-transformers' class runs the network and masks tokens.

    Attributes:
        name: name as the user gave it.
        profile: templates and lengths.
        dimension: width d of token vectors.
        dtype: precision of the network; scores are float32.
        device: device that the network runs on.
        fingerprint: hex digest of weights, config, tokenizer and projection.
        revision: commit in the hub's repository; None for a model from elsewhere.
        store: store of the passages' token vectors, in float16; None if they are not kept, and stay float32.
        kind: "late-interaction".
        best_only: False: the scores of all candidates are comparable.
    """

    kind: ClassVar[Kind] = "late-interaction"
    best_only: ClassVar[bool] = False

    def __init__(
        self,
        name: str,
        model: sentence_transformers.MultiVectorEncoder,
        profile: EncoderProfile,
        *,
        fingerprint: str = "",
        revision: str | None = None,
        batch_tokens: int | None = None,
        store: TokenStore | None = None,
    ):
        """Take a loaded model, whose own lengths are those of the profile.

        Args:
            name: name shown to users.
            model: loaded by sentence-transformers.
            profile: templates, with the model's markers of queries and passages, and lengths.
            fingerprint: see the class.
            revision: see the class.
            batch_tokens: maximum tokens per batch, padding included.
            store: see the class.
        """
        import tokenizers

        parameter = next(model.parameters())
        self.name, self.profile, self.fingerprint, self.revision = name, profile, fingerprint, revision
        self.dtype, self.device = str(parameter.dtype).removeprefix("torch."), str(parameter.device)
        self.dimension, self.store = int(model.get_embedding_dimension() or 0), store
        self.batch_tokens = batch_tokens or (2048 if parameter.device.type == "cpu" else 16384)
        self._model = model
        # a copy: the original's truncation and padding change with every call
        self._tokenizer = tokenizers.Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        added = self._tokenizer.get_added_tokens_decoder().values()
        self._special = [token.content for token in added if token.special and len(token.content) > 1]

    def encode_queries(
        self, queries: Sequence[str], instructions: Sequence[str] | None = None, *, progress: bool = False
    ) -> TokenVectors:
        """Encode queries, each with its own instruction ("" for none).

        Raises:
            InputError: an empty query, or more or fewer instructions than queries.
        """
        given = [""] * len(queries) if instructions is None else instructions
        if len(given) != len(queries):
            raise InputError(f"{len(queries)} queries, but {len(given)} instructions: give each query one")
        texts, wishes = map(self._as_text, queries), map(self._as_text, given)
        built = [query_text(self.profile, *pair).text for pair in zip(texts, wishes, strict=True)]
        return self._encode(built, "query", progress)

    def encode_passages(self, texts: Sequence[str], *, progress: bool = False) -> TokenVectors:
        """Encode passages, or take them from the store.

        Raises:
            InputError: an empty passage, or a store that cannot be written.
        """
        return self._encode(self._passages(texts), "document", progress)

    def prepare(self, queries: Sequence[Query], passages: Sequence[str], *, progress: bool = False) -> LateTexts:
        """Encode queries and passages; `score` no longer needs the network.

        Raises:
            InputError: an empty text.
        """
        encoded = self.encode_passages(passages, progress=progress)
        texts, instructions = [text for text, _ in queries], [instruction for _, instruction in queries]
        return LateTexts(self.encode_queries(texts, instructions, progress=progress), encoded)

    def score(
        self,
        prepared: LateTexts,
        queries: Sequence[int],
        candidates: Sequence[Sequence[int]],
        *,
        progress: bool = False,
    ) -> Scored:
        """Score the candidates of each query by MaxSim.

        Args:
            prepared: from `prepare`.
            queries: rows of n queries in `prepared`.
            candidates: for each query, the rows of its candidates among the passages in `prepared`.
            progress: show a progress bar.

        Raises:
            InputError: a score that is not finite.
        """
        mean = self._model.similarity_fn_name == "meanmaxsim"
        scores = []
        with counted(len(queries), "queries", "query", progress=progress) as done:
            for row, each in zip(queries, candidates, strict=True):
                query = prepared.queries.vectors[row]
                found = max_sims([prepared.passages.vectors[at] for at in each], query)
                scores.append(found / np.float32(len(query)) if mean else found)
                done(1)
        cut = prepared.queries.truncated[np.asarray(queries, np.int64)]
        return Scored(scores, cut, prepared.passages.truncated)

    def count_stored(self, texts: Sequence[str]) -> int:
        """Return how many of the distinct passages are stored."""
        if self.store is None:
            return 0
        return int(self.store.lookup(list(dict.fromkeys(self._passages(texts))))[0].sum())

    @property
    def window_length(self) -> int:
        """Maximum tokens of a passage that fit next to its marker and the special tokens."""
        [framed] = self._lengths([passage_text(self.profile, "a").text])
        return self.profile.max_passage_length - framed + 1

    def windows(self, text: str, size: int, stride: int) -> list[str]:
        """Split a text into windows of at most `size` tokens (see `tokenizing.windows`)."""
        return windows(self._tokenizer, text, size, stride)

    def describe(self) -> dict[str, Any]:
        """Return everything that determines the scores, for the sidecar."""
        names = ("query_template", "passage_template", "max_query_length", "max_passage_length", "source")
        return {
            **identity(self),
            "profile": {name: getattr(self.profile, name) for name in names},
            "query expansion": self._model[0].query_expansion,
            "similarity": self._model.similarity_fn_name,
            "token vectors": f"{self.dimension} dimensions, {'float32' if self.store is None else 'float16'}",
        }

    def __repr__(self) -> str:
        return model_repr(self)

    def _passages(self, texts: Sequence[str]) -> list[str]:
        return [passage_text(self.profile, self._as_text(text)).text for text in texts]

    def _as_text(self, text: str) -> str:
        """Return a text in which special tokens are broken by a space, so that it cannot forge one (`[ MASK]`)."""
        for token in self._special:
            if token in text:
                text = text.replace(token, f"{token[0]} {token[1:]}")
        return text

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch_fast(list(texts))]

    def _encode(self, texts: Sequence[str], side: Side, progress: bool) -> TokenVectors:
        """Encode texts, each distinct one once, or take them from the store."""
        distinct = list(dict.fromkeys(texts))
        row = {text: at for at, text in enumerate(distinct)}
        vectors: list[Any] = [None] * len(distinct)
        truncated, missing = np.zeros(len(distinct), bool), np.ones(len(distinct), bool)
        store = self.store if side == "document" else None
        if store is not None:
            found, stored = store.lookup(distinct)
            missing, truncated[found] = ~found, stored.truncated
            for at, one in zip(np.flatnonzero(found).tolist(), stored.vectors, strict=True):
                vectors[at] = one
        rows = np.flatnonzero(missing).tolist()
        unit = "queries" if side == "query" else "passages"
        with counted(len(rows), unit, progress=progress) as done:
            for part, encoded in self._parts([distinct[at] for at in rows], side, done):
                if store is not None:
                    encoded = store.add([distinct[rows[at]] for at in part], encoded)
                for at, one, cut in zip(part, encoded.vectors, encoded.truncated, strict=True):
                    vectors[rows[at]], truncated[rows[at]] = one, cut
        return TokenVectors(vectors, truncated).take([row[text] for text in texts])

    def _parts(
        self, texts: Sequence[str], side: Side, done: Callable[[int], object]
    ) -> Iterator[tuple[list[int], TokenVectors]]:
        """Encode texts in batches of similar length; yield the numbers and vectors of a shard of them."""
        limit = self.profile.max_query_length if side == "query" else self.profile.max_passage_length
        lengths = self._lengths(texts)
        part: list[int] = []
        vectors: list[Any] = []
        batches = length_sorted_batches(texts, [min(length, limit) for length in lengths], self.batch_tokens)
        since = time.monotonic()
        for number, batch in enumerate(batches, 1):
            part += batch
            vectors += self._run([texts[at] for at in batch], side)
            done(len(batch))
            due = time.monotonic() - since >= SECONDS_A_SHARD or sum(map(len, vectors)) >= _TOKENS_A_SHARD
            if number == len(batches) or due:
                yield part, TokenVectors(vectors, np.array([lengths[at] > limit for at in part], bool))
                part, vectors, since = [], [], time.monotonic()

    def _run(self, texts: Sequence[str], side: Side) -> Iterable[Any]:
        """Return the float32 vectors of the scored tokens of each text.

        Raises:
            InputError: a text without tokens to score, or vectors that are NaN or infinite.
        """
        import torch
        from sentence_transformers.util import batch_to_device

        counts: list[int] = []

        def flat(some: Sequence[str]) -> torch.Tensor:
            features = batch_to_device(self._model.preprocess(list(some), task=side), torch.device(self.device))
            features = self._model(features, task=side)
            mask = features["attention_mask"].bool()
            found: torch.Tensor = features["token_embeddings"][mask].float()
            counts.extend(mask.sum(dim=1).tolist())
            return found

        with torch.inference_mode():
            numbers = run_halving(flat, texts).cpu().numpy()
        if not all(counts):
            raise InputError(f"{self.name} scores no token of the {side} {texts[counts.index(0)][:80]!r}")
        if not np.isfinite(numbers).all():
            raise InputError(f"{self.name} gives NaN or infinite numbers in {self.dtype}: use `dtype` float32")
        return np.split(numbers, np.cumsum(counts)[:-1])
