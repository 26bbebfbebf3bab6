"""The tokenizer in a model's folder, with what the folder's settings change about it."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.encoders.families.settings import Settings, read_settings
from instrerank.encoders.locate import read_json, shown_name
from instrerank.errors import InputError, InstrerankWarning

if TYPE_CHECKING:
    import tokenizers

_GENERIC = ("PreTrainedTokenizer", "TokenizersBackend")
"""Classes that read `tokenizer.json` as it is."""
_BERTS = ("BertTokenizer", "DistilBertTokenizer", "MPNetTokenizer", "ElectraTokenizer", "MobileBertTokenizer")
"""Classes that make the normaliser anew from settings, with defaults of their own."""
_SPACED = ("GPT2Tokenizer", "Qwen2Tokenizer", "RobertaTokenizer", "LongformerTokenizer", "BartTokenizer")
"""Classes that follow `add_prefix_space`."""
_FRAMED = ("LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer", "CohereTokenizer")
"""Classes for which transformers 4 followed `add_bos_token` and `add_eos_token`."""


class TokenizerFile(NamedTuple):
    """A tokenizer as it was read.

    Attributes:
        tokenizer: without padding and truncation.
        specials: those of the model's "bos" and "eos" tokens that it has.
        truncation_side: the side of a long text that is truncated: "right" or "left".
    """

    tokenizer: tokenizers.Tokenizer
    specials: dict[str, str]
    truncation_side: str


def read_tokenizer(folder: Path, *, trust_remote_code: bool = False, stored: Settings | None = None) -> TokenizerFile:
    """Read `tokenizer.json`, or let transformers convert another format if there is none.

    Args:
        folder: of the network.
        trust_remote_code: let the repository's own code read its tokenizer.
        stored: settings that count instead of those that sentence-transformers stores in the folder.

    Raises:
        InputError: the folder has no tokenizer, or one that cannot be read; an unsupported setting.
    """
    import tokenizers
    from tokenizers import normalizers

    stored = read_settings(folder) if stored is None else stored
    settings = {**read_json(folder / "tokenizer_config.json"), **stored.tokenizer}
    tokens: dict[str, Any] = {name: settings.get(f"{name}_token") for name in ("bos", "eos")}
    try:
        own = trust_remote_code and "auto_map" in settings
        if (folder / "tokenizer.json").is_file() and not own:
            tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            _follow_settings(tokenizer, settings)
        else:
            from transformers import AutoTokenizer

            arguments = {name: value for name, value in stored.tokenizer.items() if name != "trust_remote_code"}
            wrapped = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=trust_remote_code, **arguments)
            tokenizer = wrapped.backend_tokenizer
            tokens = {"bos": wrapped.bos_token, "eos": wrapped.eos_token}
    except Exception as error:  # tokenizers raises bare Exceptions, transformers whatever its parsers raise
        raise InputError(f"no usable tokenizer in {folder}: {' '.join(str(error).split())}") from error
    if stored.lower_case:
        lower = normalizers.Lowercase()
        tokenizer.normalizer = normalizers.Sequence([lower, tokenizer.normalizer] if tokenizer.normalizer else [lower])
    side = settings.get("truncation_side") or (tokenizer.truncation or {}).get("direction", "right")
    if side not in ("left", "right"):
        raise InputError(f"{folder}: truncation_side must be left or right, got {side!r:.60}")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    names = {name: token["content"] if isinstance(token, dict) else token for name, token in tokens.items()}
    specials = {name: token for name, token in names.items() if token}
    _add_ends(tokenizer, settings, specials, shown_name(folder))
    return TokenizerFile(tokenizer, specials, side)


def _follow_settings(tokenizer: tokenizers.Tokenizer, settings: dict[str, Any]) -> None:
    """Let `tokenizer_config.json` override a BERT normaliser, as transformers does (models/bert/tokenization_bert).

    Raises:
        InputError: a prefix space that the tokenizer does not add, or the other way round.
    """
    from tokenizers.normalizers import BertNormalizer

    kind = str(settings.get("tokenizer_class")).removesuffix("Fast")
    state = "" if tokenizer.pre_tokenizer is None else tokenizer.pre_tokenizer.__getstate__().decode()
    spaced = settings.get("add_prefix_space")
    if isinstance(spaced, bool) and kind in _SPACED and f'"add_prefix_space":{json.dumps(not spaced)}' in state:
        raise InputError(f"add_prefix_space {spaced} of tokenizer_config.json contradicts tokenizer.json")
    normalizer = tokenizer.normalizer
    if not isinstance(normalizer, BertNormalizer) or kind in _GENERIC:
        return
    defaults = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True} if kind in _BERTS else {}
    settings = {**defaults, **settings}
    normalizer.lowercase = settings.get("do_lower_case", normalizer.lowercase)
    normalizer.strip_accents = settings.get("strip_accents", normalizer.strip_accents)
    normalizer.handle_chinese_chars = settings.get("tokenize_chinese_chars", normalizer.handle_chinese_chars)
    tokenizer.normalizer = normalizer


def _add_ends(tokenizer: tokenizers.Tokenizer, settings: dict[str, Any], specials: dict[str, str], name: str) -> None:
    """Put the tokens around a text that `tokenizer_config.json` asks for and `tokenizer.json` does not add.

    Up to version 4, transformers followed these settings for a few classes, whose models are trained with the
    tokens; 5 leaves them out where there is a `tokenizer.json` (mteb#5237). For other classes it never followed them.
    """
    from tokenizers.processors import TemplateProcessing

    asked = {side: specials.get(side) for side in ("bos", "eos") if settings.get(f"add_{side}_token") is True}
    if not any(asked.values()):
        return
    framed = tokenizer.encode("text")
    own = [
        token if special else "$A" for token, special in zip(framed.tokens, framed.special_tokens_mask, strict=True)
    ]
    frame = [token for at, token in enumerate(own) if token != "$A" or at == own.index("$A")]
    for side, token in asked.items():
        place = "start" if side == "bos" else "end"
        index = None if token is None else tokenizer.token_to_id(token)
        if token is None or index is None or frame[0 if side == "bos" else -1] != "$A":
            continue
        setting = f"add_{side}_token of its tokenizer_config.json asks"
        note = f"is not put at the {place} of texts, though {setting}: transformers never does for its tokenizer_class"
        if str(settings.get("tokenizer_class")).removesuffix("Fast") in _FRAMED:
            frame.insert(0 if side == "bos" else len(frame), token)
            used = [(each, tokenizer.token_to_id(each)) for each in dict.fromkeys(frame) if each != "$A"]
            tokenizer.post_processor = TemplateProcessing(single=frame, special_tokens=used)
            note = f"is put at the {place} of texts, as {setting}; transformers 5 would leave it out"
        warnings.warn(f"{name}: {token!r} {note}", InstrerankWarning, stacklevel=2)
