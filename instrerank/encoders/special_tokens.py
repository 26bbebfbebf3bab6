"""What users write never becomes a special token: only templates, and the tokenizer itself, write those."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.texts import EncoderText, literal_text

if TYPE_CHECKING:
    import tokenizers

Mark = Callable[[EncoderText], str]
"""Returns the string for the tokenizer."""
Escape = Callable[[str], str]
"""Returns a query, an instruction or a passage for the tokenizer."""
_MARK = "\ufdd0"  # a noncharacter: it is in no text that anybody exchanges


def protect(tokenizer: tokenizers.Tokenizer, profile: EncoderProfile) -> tuple[tokenizers.Tokenizer, Mark]:
    """Make a tokenizer read special tokens from the templates of a profile only.

    Returns:
        the tokenizer, and what to apply to each text before it.
    """
    templates = (profile.query_template, profile.query_only_template, profile.passage_template)
    tokenizer, escape = protect_fields(tokenizer, templates)

    def marked(text: EncoderText) -> str:
        parts, at = [], 0
        for start, end in text.fields or ((0, len(text.text)),):
            parts += [text.text[at:start], escape(text.text[start:end])]
            at = end
        return "".join([*parts, text.text[at:]])

    return tokenizer, marked


def protect_fields(tokenizer: tokenizers.Tokenizer, templates: Sequence[str]) -> tuple[tokenizers.Tokenizer, Escape]:
    """Make a tokenizer read special tokens from templates only.

    If no template has any, the tokenizer reads none from text. Otherwise those in a query, an instruction or a passage
    are marked by a character that keeps the tokenizer from finding them, and that its normaliser removes.

    Returns:
        the tokenizer, and what to apply to the text of each field before it.
    """
    from tokenizers import Tokenizer, normalizers

    added = tokenizer.get_added_tokens_decoder()
    specials = sorted((one.content for one in added.values() if one.special and len(one.content) > 1), key=len)[::-1]
    written = any(token in literal_text(template) for token in specials for template in templates)
    if not written:
        tokenizer.encode_special_tokens = True
        _split(tokenizer, specials)
        return tokenizer, str
    if any(one.special and one.normalized for one in added.values()):  # else found behind the normaliser too
        content = json.loads(tokenizer.to_str())
        for one in content["added_tokens"]:
            one["normalized"] = one["normalized"] and not one["special"]
        tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.encode_special_tokens = True
    _split(tokenizer, specials)
    tokenizer.encode_special_tokens = False
    unmark = normalizers.Replace(_MARK, "")
    tokenizer.normalizer = normalizers.Sequence([unmark, *([tokenizer.normalizer] if tokenizer.normalizer else [])])
    found = re.compile("|".join(map(re.escape, specials)))
    return tokenizer, lambda text: found.sub(lambda match: match[0][0] + _MARK + match[0][1:], text)


def _split(tokenizer: tokenizers.Tokenizer, specials: list[str]) -> None:
    """Cut up, before the model, those tokens that the model itself makes of their characters (Unigram, WordLevel)."""
    from tokenizers import Regex, pre_tokenizers

    encodings = tokenizer.encode_batch([f"a {token} b{token}" for token in specials], add_special_tokens=False)
    whole = [
        token for token, found in zip(specials, encodings, strict=True) if tokenizer.token_to_id(token) in found.ids
    ]
    if whole:
        pattern = "|".join(f"{re.escape(token[0])}(?={re.escape(token[1:])})" for token in whole)
        cut = pre_tokenizers.Split(Regex(pattern), "isolated")
        own = tokenizer.pre_tokenizer
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*([own] if own else []), cut])
