"""Special tokens come from templates only; in queries, instructions and passages their characters are text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from instrerank.encoders.families.texts import EncoderText

if TYPE_CHECKING:
    import tokenizers

_RARE = "\U00012000"
"""A cuneiform sign, which vocabularies lack."""


class SpecialTokens:
    """Encodes texts with the special tokens of their templates.

    Where nothing is forged, ids are those of the tokenizer for the whole text. It recognises special tokens in a text
    that has some in its template, and in no other. `encode_special_tokens` alone does not suffice for the latter:
    vocabularies of SentencePiece hold `</s>` as a piece like any other.

    Attributes:
        before: number of tokens that the tokenizer itself puts before a text.
        after: number of those behind it.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, truncation_side: str = "right"):
        """Take a tokenizer with its final post-processor; it no longer recognises special tokens by itself."""
        self._tokenizer, self._side = tokenizer, truncation_side
        tokenizer.encode_special_tokens = True
        special = {index: each for index, each in tokenizer.get_added_tokens_decoder().items() if each.special}
        names = sorted((each.content for each in special.values()), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, names)) or r"(?!)")
        # the token of unknown characters stands in ordinary texts too
        self._reserved = set(special) - {token.id for token in tokenizer.model.tokenize(_RARE)}
        own = "".join(map(str, tokenizer.encode("text").special_tokens_mask))
        self.before, self.after = len(own) - len(own.lstrip("1")), len(own) - len(own.rstrip("1"))

    def encode(self, texts: Sequence[EncoderText], max_length: int | None = None) -> list[tokenizers.Encoding]:
        """Encode texts, truncated to `max_length` tokens, the tokenizer's own begin and end tokens included."""
        marks = [self._marks(text) for text in texts]
        found: dict[int, tokenizers.Encoding] = {}
        for marked in (False, True):
            rows = [at for at, spans in enumerate(marks) if bool(spans) is marked]
            self._tokenizer.encode_special_tokens = not marked
            encode = self._tokenizer.encode_batch if marked else self._tokenizer.encode_batch_fast  # fast: no offsets
            try:
                self._truncate(max_length)
                found |= zip(rows, encode([texts[at].text for at in rows]), strict=True)
            finally:
                self._truncate(None)
                self._tokenizer.encode_special_tokens = True
        for at, encoding in found.items():
            if self._forged(encoding, marks[at]):
                found[at] = self._piecewise(texts[at].text, marks[at], max_length)
        return [found[at] for at in range(len(texts))]

    def _truncate(self, max_length: int | None) -> None:
        if max_length is None:
            self._tokenizer.no_truncation()
        else:
            self._tokenizer.enable_truncation(max_length, direction=self._side)

    def _marks(self, text: EncoderText) -> list[tuple[int, int]]:
        """Return the spans of the special tokens that the template puts into a text."""
        starts = [0, *(end for _, end in text.fields)]
        ends = [*(start for start, _ in text.fields), len(text.text) if text.fields else 0]
        found = (self._pattern.finditer(text.text, *span) for span in zip(starts, ends, strict=True))
        return [match.span() for matches in found for match in matches]

    def _forged(self, encoding: tokenizers.Encoding, marks: Sequence[tuple[int, int]]) -> bool:
        """Return whether a text has special tokens elsewhere than in the spans `marks`."""
        own = slice(self.before, len(encoding.ids) - self.after)
        if self._reserved.isdisjoint(encoding.ids[own]):
            return False
        spans = self._spans(encoding.ids[own], encoding.offsets[own]) if marks else []
        return not marks or any(all(end <= a or b <= start for a, b in marks) for start, end in spans)

    def _spans(self, ids: Sequence[int], offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the spans of special tokens."""
        return [span for index, span in zip(ids, offsets, strict=True) if index in self._reserved]

    def _piecewise(self, text: str, marks: Iterable[tuple[int, int]], max_length: int | None) -> tokenizers.Encoding:
        """Encode the parts of a text between the spans `marks` by themselves, so that they have no special tokens."""
        from tokenizers import Encoding

        parts, at = [], 0
        for start, end in marks:
            parts += self._as_text(text[at:start])
            self._tokenizer.encode_special_tokens = False
            try:
                parts.append(self._tokenizer.encode(text[start:end], add_special_tokens=False))
            finally:
                self._tokenizer.encode_special_tokens = True
            at = end
        parts += self._as_text(text[at:])
        self._truncate(max_length)
        try:
            return self._tokenizer.post_process(Encoding.merge(parts))
        finally:
            self._truncate(None)

    def _as_text(self, text: str) -> list[tokenizers.Encoding]:
        """Encode a text without special tokens: pieces of the vocabulary that look like one are cut within."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        cuts = [start + 1 for start, end in self._spans(encoding.ids, encoding.offsets) if end - start > 1]
        if not cuts:
            return [encoding]
        bounds = [0, *cuts, len(text)]
        return [piece for start, end in pairwise(bounds) for piece in self._as_text(text[start:end])]
