"""The forward pass from tokens to vectors, with or without gradients: the same code for ranking and training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from instrerank.encoders.batching import length_sorted_batches, padded
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.layers import Layer, width_behind
from instrerank.encoders.networks.backends import Backend
from instrerank.encoders.pooling import pool
from instrerank.encoders.query_attention import instruction_query_attention
from instrerank.encoders.texts import EncoderText, query_alone
from instrerank.encoders.tokenizing import TextTokenizer, Tokens

if TYPE_CHECKING:
    import torch

Job = Callable[[Sequence[Tokens]], "torch.Tensor"]
"""The computation for one batch."""
Run = Callable[[Job, Sequence[Tokens]], "torch.Tensor"]
"""How a job is run: in halves if memory is short (ranking), or again in the backward pass (training)."""


class ForwardPass:
    """Tokens to vectors as the profile says: pooling or instruction-query attention, further layers, normalisation.

    The backend is an argument of each call: queries may have their own, and training moves the network to its device.
    Gradients are recorded unless the caller uses `torch.inference_mode`.

    Attributes:
        profile: templates and pooling.
        tokenizer: tokenizer for the same profile.
        layers: layers between pooling and normalisation.
    """

    def __init__(self, profile: EncoderProfile, tokenizer: TextTokenizer, layers: Sequence[Layer] = ()):
        """Take the parts that do not depend on the network."""
        self.profile, self.tokenizer, self.layers = profile, tokenizer, tuple(layers)

    def __repr__(self) -> str:
        pooling = "+".join(self.profile.pooling_modes)
        steps = [
            pooling,
            *[type(layer).__name__.lower() for layer in self.layers],
            *["normalised"] * self.profile.normalize,
        ]
        return f"ForwardPass({self.profile.family!r}: {', '.join(steps)})"

    def dimension(self, hidden_size: int) -> int:
        """Return the dimension d of vectors, given that of token states."""
        return width_behind(self.layers, hidden_size * len(self.profile.pooling_modes))

    def vectors(self, backend: Backend, tokens: Sequence[Tokens]) -> torch.Tensor:
        """Run one batch of n texts.

        Returns:
            float32 [n, d], L2-normalised if the profile says so.
        """
        return self._finish(self._pool(backend.token_states([one.ids for one in tokens]), tokens))

    def encode(
        self, backend: Backend, texts: Sequence[EncoderText], max_length: int, batch_tokens: int, run: Run
    ) -> torch.Tensor:
        """Run n texts in batches of similar length.

        Args:
            backend: runs the network.
            texts: distinct texts.
            max_length: maximum tokens of each.
            batch_tokens: maximum tokens per batch, padding included.
            run: see `Run`.

        Returns:
            As `vectors`, in the order of `texts`.
        """
        tokens = self.tokenizer.encode(texts, max_length)
        batches = _batches(texts, tokens, batch_tokens)
        parts = [run(partial(self.vectors, backend), [tokens[at] for at in batch]) for batch in batches]
        return _in_order(parts, list(chain(*batches)))

    def attend(
        self, backend: Backend, pairs: Sequence[tuple[str, str]], batch_tokens: int, run: Run
    ) -> tuple[torch.Tensor, list[list[Tokens]]]:
        """Combine each query with its instruction by attention; a query without instruction is pooled like any text.

        The network reads each distinct query and instruction once; only the attention is computed per pair.

        Args:
            backend: runs the network.
            pairs: n queries with their instructions, "" for none.
            batch_tokens: maximum tokens per batch, padding included.
            run: see `Run`.

        Returns:
            vectors as above, and for each the tokens of its query and, if there is one, of its instruction.
        """
        import torch

        texts_of_pairs = [
            [query_alone(self.profile, query), *([EncoderText(instruction)] if instruction.strip() else [])]
            for query, instruction in pairs
        ]
        texts = list(dict.fromkeys(chain(*texts_of_pairs)))
        tokens = dict(zip(texts, self.tokenizer.encode(texts, self.profile.max_query_length), strict=True))
        states: dict[EncoderText, torch.Tensor] = {}
        for batch in _batches(texts, list(tokens.values()), batch_tokens):
            part = [texts[at] for at in batch]
            flat = run(partial(_float_states, backend), [tokens[text] for text in part])
            states.update(zip(part, torch.split(flat, [len(tokens[text].ids) for text in part]), strict=True))
        states_of_pairs = [[states[text] for text in sides] for sides in texts_of_pairs]
        tokens_of_pairs = [[tokens[text] for text in sides] for sides in texts_of_pairs]
        return self._finish(self._join(states_of_pairs, tokens_of_pairs)), tokens_of_pairs

    def _join(self, states: Sequence[list[torch.Tensor]], tokens: Sequence[list[Tokens]]) -> torch.Tensor:
        import torch

        both, alone = ([at for at, sides in enumerate(states) if len(sides) == count] for count in (2, 1))
        parts = []
        if both:
            queries, instructions = ([states[at][side] for at in both] for side in (0, 1))
            parts.append(instruction_query_attention(*padded(instructions), *padded(queries)))
        if alone:
            parts.append(self._pool(torch.cat([states[at][0] for at in alone]), [tokens[at][0] for at in alone]))
        return _in_order(parts, [*both, *alone])

    def _pool(self, states: torch.Tensor, tokens: Sequence[Tokens]) -> torch.Tensor:
        import torch

        lengths = torch.tensor([len(one.ids) for one in tokens], device=states.device)
        skip = torch.tensor([one.skip for one in tokens], device=states.device)
        return pool(states, lengths, skip, self.profile.pooling_modes)

    def _finish(self, pooled: torch.Tensor) -> torch.Tensor:
        import torch

        for layer in self.layers:
            pooled = layer(pooled)
        return torch.nn.functional.normalize(pooled) if self.profile.normalize else pooled


def _float_states(backend: Backend, tokens: Sequence[Tokens]) -> torch.Tensor:
    """Return the token states of a batch, float32 [tokens, hidden]: attention in low precision would be rough."""
    return backend.token_states([one.ids for one in tokens]).float()


def _batches(texts: Sequence[EncoderText], tokens: Sequence[Tokens], budget: int) -> list[list[int]]:
    return length_sorted_batches([one.text for one in texts], [len(one.ids) for one in tokens], budget)


def _in_order(parts: Sequence[torch.Tensor], order: Sequence[int]) -> torch.Tensor:
    """Join rows and put the k-th of them into row `order[k]`."""
    import torch

    return torch.cat(list(parts))[torch.tensor(order).argsort()]
