"""Prompts of pointwise language models to token ids: the passage is truncated, never the question."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from instrerank.encoders.families.prompts import Prompt, fill_prompt, prompt_literals
from instrerank.encoders.special_tokens import protect_fields
from instrerank.errors import InputError

if TYPE_CHECKING:
    import tokenizers


class PairTokens(NamedTuple):
    """Token ids of one pair, the segment of each token, and whether the passage was truncated."""

    ids: list[int]
    segments: list[int]
    truncated: bool


class PromptTokenizer:
    """A model's tokenizer with its prompt.

    The characters of a special token in a query, an instruction or a passage stay text: only the prompt and the
    tokenizer itself write special tokens.

    Attributes:
        tokenizer: the tokenizer, without padding and truncation.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, prompt: Prompt):
        """Take a published tokenizer, without padding and truncation, and the prompt that it reads."""
        self.prompt = prompt
        self.tokenizer, self._escape = protect_fields(tokenizer, prompt_literals(prompt))

    def text(self, query: str, instruction: str, passage: str) -> str:
        """Return the whole prompt."""
        return "".join(part.text for part in fill_prompt(self.prompt, query, instruction, passage))

    def encode(self, query: str, instruction: str, passage: str, max_length: int) -> PairTokens:
        """Tokenise a prompt, with as much of the end of the passage left out as is too long.

        Raises:
            InputError: an empty query or passage, or a query that leaves no room for the passage.
        """
        for name, text in (("query", query), ("passage", passage)):
            if not text.strip():
                raise InputError(f"cannot score an empty {name}: remove it, or give it a text")
        ids: list[int] = []
        inside: list[int] = []
        for text, place in fill_prompt(self.prompt, *map(self._escape, (query, instruction, passage))):
            special = place is not None and self.prompt.special_tokens
            encoding = self.tokenizer.encode(text, add_special_tokens=special)
            if place is not None:
                begins = enumerate(zip(encoding.offsets, encoding.special_tokens_mask, strict=True), len(ids))
                inside = [at for at, ((begin, _), added) in begins if place[0] <= begin < place[1] and not added]
            ids += encoding.ids
        excess = len(ids) - max_length
        if excess <= 0:
            return PairTokens(ids, [0] * len(ids), False)
        if excess >= len(inside):
            raise InputError(
                f"query and instruction leave no room for the passage within {max_length} tokens (`max_length`): "
                f"{query[:80]!r}…"
            )
        first, last = inside[-excess], inside[-1]
        return PairTokens(ids[:first] + ids[last + 1 :], [0] * max_length, True)
