"""An encoder with trainable weights: the forward pass of `Encoder`, with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import checkpoint

from instrerank.encoders.encoder import Encoder
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.forward import ForwardPass, Job
from instrerank.encoders.layers import Layer
from instrerank.encoders.networks.backends import TransformersBackend
from instrerank.encoders.texts import passage_text, query_text
from instrerank.encoders.tokenizing import TextTokenizer, Tokens
from instrerank.training.sampling import Pair

if TYPE_CHECKING:
    from numpy.typing import NDArray


class FrozenPassages:
    """Passage vectors of the base model for query-side adapters; they receive no gradient."""

    def __init__(self, encoder: Encoder, texts: Sequence[str], *, progress: bool = False):
        """Encode all passages of the training data once."""
        self.encoder = encoder
        distinct = list(dict.fromkeys(texts))
        self._rows = {text: row for row, text in enumerate(distinct)}
        self._vectors: NDArray[Any] = encoder.encode_passages(distinct, progress=progress).vectors

    def __repr__(self) -> str:
        return f"FrozenPassages({len(self._rows)} passages by {self.encoder!r})"

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Return float32 [n, d], on the CPU."""
        return torch.from_numpy(self._vectors[[self._rows[text] for text in texts]])


class TrainableEncoder(torch.nn.Module):
    """Encodes texts to vectors with gradients.

    With cached gradients, a chunk's activations are discarded after the forward pass and recomputed in the backward
    pass (GradCache, Gao et al. 2021, arXiv 2101.06983, using torch's checkpointing): memory is that of one chunk, the
    gradient is that of the whole batch, including dropout.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        profile: EncoderProfile,
        tokenizer: TextTokenizer,
        *,
        layers: Sequence[Layer] = (),
        batch_tokens: int | None = None,
        cache_gradients: bool = False,
        frozen_passages: FrozenPassages | None = None,
    ):
        """Assemble the parts of an encoder.

        Args:
            network: network as loaded by transformers (and peft).
            profile: templates and pooling.
            tokenizer: tokenizer for the same profile.
            layers: layers between pooling and normalisation; they are not trained.
            batch_tokens: number of tokens per chunk, including padding; None: the backend's default.
            cache_gradients: see the class.
            frozen_passages: precomputed passage vectors, if passages are not encoded by the trained network.
        """
        super().__init__()
        self.network = network
        self.profile, self.tokenizer, self.layers = profile, tokenizer, tuple(layers)
        self.batch_tokens, self.frozen_passages = batch_tokens, frozen_passages
        self._forward_pass = ForwardPass(profile, tokenizer, layers)
        self._run = _computed_again if cache_gradients else _at_once

    @property
    def backend(self) -> TransformersBackend:
        """The network on its current device, as used by `Encoder`."""
        return TransformersBackend(self.network, bidirectional=self.profile.bidirectional)

    def vectors(self, backend: TransformersBackend, tokens: Sequence[Tokens]) -> torch.Tensor:
        """Return the vectors of one batch of n texts, float32 [n, d], normalised if the profile says so."""
        return self._forward_pass.vectors(backend, tokens)

    def forward(self, pairs: Sequence[Pair], passages: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode distinct (query, instruction) pairs and distinct passages.

        Returns:
            float32 [len(pairs), d] and [len(passages), d], normalised if the profile says so.
        """
        backend, profile = self.backend, self.profile
        budget = self.batch_tokens or backend.batch_tokens
        if profile.query_encoding == "attention":
            queries, _ = self._forward_pass.attend(backend, pairs, budget, self._run)
        else:
            texts = [query_text(profile, query, instruction) for query, instruction in pairs]
            queries = self._forward_pass.encode(backend, texts, profile.max_query_length, budget, self._run)
        if self.frozen_passages is not None:
            return queries, self.frozen_passages(passages).to(queries.device)
        texts = [passage_text(profile, text) for text in passages]
        return queries, self._forward_pass.encode(backend, texts, profile.max_passage_length, budget, self._run)


def _at_once(job: Job, tokens: Sequence[Tokens]) -> torch.Tensor:
    return job(tokens)


def _computed_again(job: Job, tokens: Sequence[Tokens]) -> torch.Tensor:
    """Keep only the result; the backward pass recomputes the rest."""
    result: torch.Tensor = checkpoint(job, tokens, use_reentrant=False)
    return result
