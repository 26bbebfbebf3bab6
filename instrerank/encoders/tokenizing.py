"""Texts to token ids with the `tokenizers` library, counting truncated texts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.special_tokens import protect
from instrerank.encoders.texts import EncoderText, prefix_of
from instrerank.encoders.tokenizer_files import read_tokenizer
from instrerank.errors import InputError, InstrerankError

if TYPE_CHECKING:
    import tokenizers


class Tokens(NamedTuple):
    """Token ids of one text.

    Attributes:
        ids: the ids that the model reads, special tokens included, at most the maximum length.
        skip: number of tokens at the start that belong to a prefix that is not pooled.
        truncated: whether the text was truncated.
    """

    ids: list[int]
    skip: int
    truncated: bool


class TextTokenizer:
    """A model's tokenizer with the special tokens that its profile requires.

    The characters of a special token in a query, an instruction or a passage stay text: only templates and the
    tokenizer itself write special tokens.
    """

    def __init__(
        self,
        tokenizer: tokenizers.Tokenizer,
        profile: EncoderProfile,
        specials: dict[str, str],
        truncation_side: str = "right",
    ):
        """Check the special tokens, and add missing ones.

        Args:
            tokenizer: the published tokenizer, without padding and truncation (see `read_tokenizer`).
            profile: says which tokens must come first and last.
            specials: the model's "bos" and "eos" tokens.
            truncation_side: the side of a long text that is truncated: "right" or "left".

        Raises:
            InputError: a token is not in the vocabulary, or the tokenizer adds other tokens.
        """
        self._tokenizer, self._lock, self._side = tokenizer, Lock(), truncation_side
        self._pool_prefix = profile.pool_prefix
        self._special = {index for index, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        begin, self._end = (self._find(name, specials) for name in (profile.begin_token, profile.end_token))
        self._frame(begin, self._end)
        self._tokenizer, self._marked = protect(tokenizer, profile)
        frame = "".join(map(str, self._tokenizer.encode("text").special_tokens_mask))
        self._tokens_behind = len(frame) - len(frame.rstrip("1"))
        if "cls" in profile.pooling_modes and tokenizer.encode("text").ids[0] not in self._special:
            raise InputError(
                "CLS pooling needs a special token at the start, but this tokenizer adds none "
                f"({tokenizer.encode('text').tokens}): choose another `pooling`"
            )

    def __repr__(self) -> str:
        return f"TextTokenizer({self._tokenizer.get_vocab_size()} tokens)"

    def _find(self, name: str | None, specials: dict[str, str]) -> int | None:
        if name is None:
            return None
        token = specials.get(name, name)
        index: int | None = self._tokenizer.token_to_id(token)
        if index is None:
            raise InputError(f"the special token {token!r} of the profile is not in this tokenizer's vocabulary")
        return index

    def _frame(self, begin: int | None, end: int | None) -> None:
        """Make the tokenizer itself add the tokens, so that its truncation leaves room for them."""
        from tokenizers.processors import TemplateProcessing

        encoding = self._tokenizer.encode("text")
        if begin in (None, encoding.ids[0]) and end in (None, encoding.ids[-1]):
            return
        if begin is None and encoding.special_tokens_mask[0]:
            begin = encoding.ids[0]  # keep a begin token that the profile does not mention
        own = {index for index, special in zip(encoding.ids, encoding.special_tokens_mask, strict=True) if special}
        if not own <= {begin, end}:
            raise InputError(f"this tokenizer encodes a text as {encoding.tokens}, which contradicts its profile")
        used = [(str(self._tokenizer.id_to_token(at)), at) for at in dict.fromkeys((begin, end)) if at is not None]
        names = {index: token for token, index in used}
        frame = ([names[begin]] if begin is not None else []) + ["$A"] + ([names[end]] if end is not None else [])
        self._tokenizer.post_processor = TemplateProcessing(single=frame, special_tokens=used)

    @property
    def special_tokens(self) -> set[str]:
        """The special tokens of the vocabulary, as a template writes them."""
        return {str(self._tokenizer.id_to_token(index)) for index in self._special}

    def encode(self, texts: Sequence[EncoderText], max_length: int) -> list[Tokens]:
        """Tokenise texts, truncated to `max_length` tokens, special tokens included.

        Raises:
            InputError: a prefix that is not pooled leaves no room for its text within `max_length`.
        """
        skips: dict[EncoderText, int] = {}
        with self._lock:  # truncation is a setting of the tokenizer, and threads may share one
            if not self._pool_prefix:
                skips = {prefix: self._prefix_length(prefix) for prefix in {prefix_of(text) for text in texts}}
            self._tokenizer.enable_truncation(max_length, direction=self._side)
            try:
                encodings = self._tokenizer.encode_batch_fast([self._marked(text) for text in texts])
            finally:
                self._tokenizer.no_truncation()
        found = []
        for text, encoding in zip(texts, encodings, strict=True):
            ids, skip = encoding.ids, skips[prefix_of(text)] if skips else 0
            if skip >= len(ids):
                raise InputError(
                    f"the instruction leaves no room for the text within {max_length} tokens: shorten it or raise "
                    f"`max_length`. It begins: {text.prefix[:80]!r}"
                )
            # last-token pooling would silently use the wrong token
            if self._end is not None and ids[-1] != self._end:
                raise InstrerankError(f"a text ends with the token {encoding.tokens[-1]!r} instead of the end token")
            found.append(Tokens(ids, skip, bool(encoding.overflowing)))
        return found

    def _prefix_length(self, prefix: EncoderText) -> int:
        """Return the length of the prefix without the end token that it has when encoded alone (INSTRUCTOR's rule)."""
        return len(self._tokenizer.encode(self._marked(prefix)).ids) - self._tokens_behind if prefix.text else 0

    def spelt(self, ids: Sequence[int]) -> list[tuple[str, bool]]:
        """Return each token as the vocabulary spells it, and whether it is a special one."""
        return [(str(self._tokenizer.id_to_token(index)), index in self._special) for index in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, special ones included."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def windows(self, text: str, size: int, stride: int) -> list[str]:
        """Split a text into windows of at most `size` tokens (see the function `windows`)."""
        return windows(self._tokenizer, text, size, stride)


def windows(tokenizer: tokenizers.Tokenizer, text: str, size: int, stride: int) -> list[str]:
    """Split a text into windows of at most `size` tokens, special tokens not counted.

    Each window starts about `stride` tokens after the previous one, and starts and ends between words (only a word
    longer than a window is split). Windows are substrings of `text` and together contain all its words.

    Raises:
        InputError: a stride below 1, or one above `size`, which would leave text out.
    """
    if not 1 <= stride <= size:
        raise InputError(
            f"the stride of windows must be at least 1 and at most their size of {size} tokens, got {stride}"
        )
    encoding = tokenizer.encode(text, add_special_tokens=False)
    words, spans = encoding.word_ids, encoding.offsets
    starts = [at for at in range(1, len(words)) if words[at] != words[at - 1]]
    pieces, start = [], 0
    while len(spans) - start > size:
        inside = starts[bisect_right(starts, start) : bisect_right(starts, start + size)]
        end = inside[-1] if inside else start + size
        pieces.append(text[spans[start][0] : spans[end - 1][1]])
        near = [at for at in inside if at <= start + stride]
        start = near[-1] if near else inside[0] if inside else start + stride
    pieces.append(text[spans[start][0] : spans[-1][1]] if pieces else text)
    return pieces


def load_tokenizer(folder: Path, profile: EncoderProfile, *, trust_remote_code: bool = False) -> TextTokenizer:
    """Load the tokenizer in a model's folder for one profile.

    Raises:
        InputError: the folder has no tokenizer, or one that cannot be read or does not fit the profile.
    """
    found = read_tokenizer(folder, trust_remote_code=trust_remote_code)
    return TextTokenizer(found.tokenizer, profile, found.specials, found.truncation_side)
