"""Texts to token ids, with what was cut off counted, on the `tokenizers` library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from instrerank.encoders.profiles import EncoderProfile
from instrerank.encoders.texts import EncoderText
from instrerank.errors import InputError, InstrerankError

if TYPE_CHECKING:
    import tokenizers


class Tokens(NamedTuple):
    """Token ids of one text.

    Attributes:
        ids: the ids the model sees, special tokens included, at most the length asked for.
        skip: how many of them, from the start, belong to the prefix that is not pooled.
        truncated: whether the text was longer.
    """

    ids: list[int]
    skip: int
    truncated: bool


class TextTokenizer:
    """A model's tokenizer with the special tokens that its profile demands."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, profile: EncoderProfile, specials: dict[str, str]):
        """Check the special tokens, and add those that are missing.

        Args:
            tokenizer: as published; its own padding and truncation are switched off.
            profile: says which tokens must come first and last.
            specials: the model's "bos" and "eos" tokens.

        Raises:
            InputError: the vocabulary has no such token, or the text does not begin or end as it must.
        """
        self._tokenizer = tokenizer
        self._keep_prefix = profile.pool_prefix
        tokenizer.no_padding()
        tokenizer.no_truncation()
        begin, end = (self._special(name, specials) for name in (profile.begin_token, profile.end_token))
        if begin or end:
            self._frame(begin, end)
        self._end = end
        ids = tokenizer.encode("text").ids
        special = {index for index, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        if "cls" in profile.pooling_modes and ids[0] not in special:
            raise InputError(
                f"CLS pooling takes the first token, but this tokenizer puts no special token there: it gives "
                f"{tokenizer.encode('text').tokens}. Choose another --pooling"
            )

    def _special(self, name: str | None, specials: dict[str, str]) -> tuple[str, int] | None:
        if name is None:
            return None
        token = specials.get(name, name)
        index = self._tokenizer.token_to_id(token)
        if index is None:
            raise InputError(
                f"the profile needs the special token {token!r}, which this tokenizer does not have"
            )
        return token, index

    def _frame(self, begin: tuple[str, int] | None, end: tuple[str, int] | None) -> None:
        """Make the tokenizer itself put the tokens there: then its truncation leaves room for them."""
        from tokenizers.processors import TemplateProcessing

        ids = self._tokenizer.encode("text").ids
        missing = (begin and ids[0] != begin[1]) or (end and ids[-1] != end[1])
        if not missing:
            return
        bare = self._tokenizer.encode("text", add_special_tokens=False).ids
        at = next(i for i in range(len(ids)) if ids[i : i + len(bare)] == bare)
        if at > 1 or at + len(bare) < len(ids):
            raise InputError(f"this tokenizer's own special tokens ({ids}) are not those its profile demands")
        if at == 1 and begin is None:  # a begin token that the profile does not speak of stays
            token = self._tokenizer.id_to_token(ids[0])
            begin = (str(token), ids[0])
        parts = [*([begin[0]] if begin else []), "$A", *([end[0]] if end else [])]
        self._tokenizer.post_processor = TemplateProcessing(
            single=parts, special_tokens=[pair for pair in (begin, end) if pair]
        )

    def encode(self, texts: Sequence[EncoderText], max_length: int) -> list[Tokens]:
        """Tokenise texts, cut to `max_length` tokens with the special tokens kept.

        Raises:
            InputError: a prefix that is not pooled leaves nothing of its text within `max_length`.
        """
        self._tokenizer.enable_truncation(max_length)
        try:
            encodings = self._tokenizer.encode_batch_fast([text.text for text in texts])
        finally:
            self._tokenizer.no_truncation()
        prefixes = {} if self._keep_prefix else self._prefix_lengths({text.prefix for text in texts})
        found = []
        for text, encoding in zip(texts, encodings, strict=True):
            ids, skip = encoding.ids, prefixes.get(text.prefix, 0)
            if skip >= len(ids):
                raise InputError(
                    f"the instruction takes all {max_length} tokens, so nothing of the text is left: shorten it or "
                    f"raise --max-length. It begins: {text.prefix[:80]!r}"
                )
            if (
                self._end is not None and ids[-1] != self._end[1]
            ):  # last-token pooling would take a wrong token
                raise InstrerankError(
                    f"a text does not end with the end token {self._end[0]!r}: {encoding.tokens}"
                )
            found.append(Tokens(ids, skip, bool(encoding.overflowing)))
        return found

    def _prefix_lengths(self, prefixes: set[str]) -> dict[str, int]:
        """Tokens of each prefix alone, less the end token that it has only then (INSTRUCTOR's rule)."""
        bare = self._tokenizer.encode("", add_special_tokens=True).ids
        first = self._tokenizer.encode("text").ids[0]
        closing = len(bare) - (bare[:1] == [first])
        return {
            prefix: len(self._tokenizer.encode(prefix).ids) - closing if prefix else 0 for prefix in prefixes
        }

    def windows(self, text: str, size: int, stride: int) -> list[str]:
        """Cut a text into pieces of at most `size` tokens that start `stride` tokens apart.

        The pieces are substrings of `text`, cut between tokens; the last one reaches its end.

        Raises:
            InputError: size or stride below 1, or a stride that would leave text out.
        """
        if not 1 <= stride <= size:
            raise InputError(f"windows of {size} tokens with stride {stride}: need 1 <= stride <= size")
        spans = [
            span
            for span in self._tokenizer.encode(text, add_special_tokens=False).offsets
            if span[1] > span[0]
        ]
        if len(spans) <= size:
            return [text]
        starts = range(0, len(spans) - size + stride, stride)
        return [text[spans[at][0] : spans[min(at + size, len(spans)) - 1][1]] for at in starts]


def load_tokenizer(
    folder: Path, profile: EncoderProfile, *, trust_remote_code: bool = False
) -> TextTokenizer:
    """Load `tokenizer.json` as published; where a folder has none, through transformers.

    Raises:
        InputError: no tokenizer in the folder, or one that cannot be read.
    """
    import tokenizers

    settings = _read_json(folder / "tokenizer_config.json")
    specials = {
        short: token if isinstance(token, str) else token["content"]
        for short in ("bos", "eos")
        if (token := settings.get(f"{short}_token"))
    }
    path = folder / "tokenizer.json"
    try:
        if path.is_file():
            tokenizer = tokenizers.Tokenizer.from_file(str(path))
            _apply_case(tokenizer, settings)
        else:
            from transformers import AutoTokenizer

            wrapped = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=trust_remote_code)
            tokenizer = wrapped.backend_tokenizer
            specials |= {k: v for k in ("bos", "eos") if (v := getattr(wrapped, f"{k}_token"))}
    except Exception as error:  # tokenizers raises bare Exception, transformers whatever its parsers raise
        raise InputError(f"no usable tokenizer in {folder}: {error}") from error
    return TextTokenizer(tokenizer, profile, specials)


def _apply_case(tokenizer: tokenizers.Tokenizer, settings: dict[str, object]) -> None:
    """Let `tokenizer_config.json` overrule a BERT normaliser, as transformers does."""
    from tokenizers.normalizers import BertNormalizer

    if not isinstance(tokenizer.normalizer, BertNormalizer):
        return
    names = {
        "do_lower_case": "lowercase",
        "strip_accents": "strip_accents",
        "tokenize_chinese_chars": "handle_chinese_chars",
    }
    for key, attribute in names.items():
        if key in settings and getattr(tokenizer.normalizer, attribute) != settings[key]:
            setattr(tokenizer.normalizer, attribute, settings[key])


def _read_json(path: Path) -> dict[str, object]:
    return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}
