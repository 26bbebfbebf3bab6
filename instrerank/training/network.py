"""An encoder whose weights can be trained: texts, pooling and normalisation as in `Encoder`, with gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

from instrerank.encoders.batching import length_sorted_batches
from instrerank.encoders.encoder import Encoder
from instrerank.encoders.families.layouts import Dense
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.families.texts import EncoderText, passage_text, query_alone, query_text
from instrerank.encoders.networks.backends import TransformersBackend
from instrerank.encoders.pooling import pool
from instrerank.encoders.query_attention import instruction_query_attention
from instrerank.encoders.tokenizing import TextTokenizer, Tokens
from instrerank.training.sampling import Pair

if TYPE_CHECKING:
    from numpy.typing import NDArray


class FrozenPassages:
    """Passage vectors of the base model, for adapters of the query side: no gradient reaches them."""

    def __init__(self, encoder: Encoder, texts: Sequence[str], *, progress: bool = False):
        """Encode all passages of the training data once."""
        self.encoder = encoder
        distinct = list(dict.fromkeys(texts))
        self._rows = {text: row for row, text in enumerate(distinct)}
        self._vectors: NDArray[Any] = encoder.encode_passages(distinct, progress=progress).vectors

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Return float32 [n, d], on the CPU."""
        return torch.from_numpy(self._vectors[[self._rows[text] for text in texts]])


class TrainableEncoder(torch.nn.Module):
    """Texts in, vectors with a gradient out.

    With cached gradients a chunk's activations are dropped after the forward pass and computed again in the backward
    pass (GradCache, Gao et al. 2021, arXiv 2101.06983, by way of torch's checkpointing): memory is that of one chunk,
    the gradient is that of the whole batch, dropout included.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        profile: EncoderProfile,
        tokenizer: TextTokenizer,
        *,
        dense: Sequence[Dense] = (),
        batch_tokens: int | None = None,
        cache_gradients: bool = False,
        frozen_passages: FrozenPassages | None = None,
    ):
        """Take the parts of an encoder.

        Args:
            network: as transformers (and peft) load it.
            profile: how texts are put together and states pooled.
            tokenizer: made for the same profile.
            dense: layers between pooling and normalisation; they are not trained.
            batch_tokens: tokens of one chunk, padding included; the backend's own when None.
            cache_gradients: see the class.
            frozen_passages: where passages are not encoded by the network that is trained.
        """
        super().__init__()
        self.network = network
        self.profile, self.tokenizer, self.dense = profile, tokenizer, tuple(dense)
        self.batch_tokens, self.cache_gradients = batch_tokens, cache_gradients
        self.frozen_passages = frozen_passages

    @property
    def backend(self) -> TransformersBackend:
        """The network where it is now, as `Encoder` uses it."""
        return TransformersBackend(self.network, bidirectional=self.profile.bidirectional)

    def forward(self, pairs: Sequence[Pair], passages: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode distinct (query, instruction) pairs and distinct passages.

        Returns:
            float32 [len(pairs), d] and [len(passages), d], normalised where the profile says so.
        """
        if self.profile.query_encoding == "attention":
            queries = self._attend(pairs)
        else:
            texts = [query_text(self.profile, query, instruction) for query, instruction in pairs]
            queries = self._encode(texts, self.profile.max_query_length)
        if self.frozen_passages is not None:
            return queries, self.frozen_passages(passages).to(queries.device)
        built = [passage_text(self.profile, text) for text in passages]
        return queries, self._encode(built, self.profile.max_passage_length)

    def _encode(self, texts: Sequence[EncoderText], max_length: int) -> torch.Tensor:
        return self._finish(torch.stack(self._by_chunk(texts, max_length, self._pooled)))

    def _by_chunk(
        self, texts: Sequence[EncoderText], max_length: int, run: Callable[..., Sequence[torch.Tensor]]
    ) -> list[torch.Tensor]:
        """Run the network over chunks of like length; return one tensor for each text, in order."""
        tokens = self.tokenizer.encode(texts, max_length)
        backend = self.backend
        lengths = [len(one.ids) for one in tokens]
        chunks = length_sorted_batches([one.text for one in texts], lengths, self.batch_tokens or backend.batch_tokens)
        found: dict[int, torch.Tensor] = {}
        for chunk in chunks:
            job = partial(run, backend, [tokens[at] for at in chunk])
            parts = checkpoint(job, use_reentrant=False) if self.cache_gradients else job()
            found.update(zip(chunk, parts, strict=True))
        return [found[at] for at in range(len(texts))]

    def _pooled(self, backend: TransformersBackend, tokens: Sequence[Tokens]) -> Sequence[torch.Tensor]:
        states = backend.token_states([one.ids for one in tokens])
        lengths = torch.tensor([len(one.ids) for one in tokens], device=states.device)
        skip = torch.tensor([one.skip for one in tokens], device=states.device)
        return pool(states, lengths, skip, self.profile.pooling_modes).unbind()

    def _states(self, backend: TransformersBackend, tokens: Sequence[Tokens]) -> Sequence[torch.Tensor]:
        states = backend.token_states([one.ids for one in tokens]).float()
        return torch.split(states, [len(one.ids) for one in tokens])

    def _finish(self, vectors: torch.Tensor) -> torch.Tensor:
        for layer in self.dense:
            vectors = layer(vectors)
        return torch.nn.functional.normalize(vectors) if self.profile.normalize else vectors

    def _attend(self, pairs: Sequence[Pair]) -> torch.Tensor:
        """Encode each distinct query and instruction once; only the attention is computed for every pair."""
        queries = {query: query_alone(self.profile, query) for query, _ in pairs}
        instructions = {text: EncoderText(text) for _, text in pairs if text.strip()}
        texts = list(dict.fromkeys([*queries.values(), *instructions.values()]))
        states = dict(zip(texts, self._by_chunk(texts, self.profile.max_query_length, self._states), strict=True))
        with_instruction = [at for at, (_, text) in enumerate(pairs) if text.strip()]
        plain = [at for at, (_, text) in enumerate(pairs) if not text.strip()]
        found: dict[int, torch.Tensor] = {}
        if with_instruction:
            sides = (
                [states[instructions[pairs[at][1]]] for at in with_instruction],
                [states[queries[pairs[at][0]]] for at in with_instruction],
            )
            padded = [part for side in sides for part in _padded(side)]
            found.update(zip(with_instruction, instruction_query_attention(*padded).unbind(), strict=True))
        if plain:
            rows = [states[queries[pairs[at][0]]] for at in plain]
            lengths = torch.tensor([len(row) for row in rows], device=rows[0].device)
            pooled = pool(torch.cat(rows), lengths, torch.zeros_like(lengths), self.profile.pooling_modes)
            found.update(zip(plain, pooled.unbind(), strict=True))
        return self._finish(torch.stack([found[at] for at in range(len(pairs))]))


def _padded(rows: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    real = [torch.ones(len(row), dtype=torch.bool, device=row.device) for row in rows]
    return pad_sequence(list(rows), batch_first=True), pad_sequence(real, batch_first=True)
