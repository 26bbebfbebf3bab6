"""A variant from the answer of a language model, which is data: one line of text, or a reason to reject it."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from instrerank.perturbations.llm.endpoint import Answer

_THOUGHTS = re.compile(r"<(think|thinking)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_VERBS = (
    r"(help|assist|provide|comply|fulfill?|rewrite|rephrase|paraphrase|answer|do (that|this)|create|generate|write|"
    r"process|support|complete|engage|discuss|continue|offer|produce)\b"
)
_REFUSAL = re.compile(
    r"(i'?m |i am )?(so |very |really )?sorry\s*[,.;:!–—-]|i apologi[sz]e\b|as an? (ai|(large )?language model)\b|"
    r"i must decline\b|((unfortunately|sorry),? )?"
    rf"i(('m| am) (unable|not able) to| can'?t| cannot| can not| won'?t| will not) {_VERBS}",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:[-*•]|1[.)])\s+")
_LABEL = re.compile(
    r"[*_]{0,2}((the|my|your|here is|here's)\s+)*"
    r"((rewritten|rephrased|reworded|paraphrased|new|search|transcribed)\s+)*"
    r"(query|paraphrase|instruction|rewrite|transcript|transcription)[*_]{0,2}\s*:[*_]{0,2}\s*",
    re.IGNORECASE,
)
_PAIRS = (
    *(("**", "**"), ("__", "__"), ("*", "*"), ("`", "`")),
    *(('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("«", "»")),
)


class Reading(NamedTuple):
    """What an answer gives.

    Attributes:
        text: the variant, "" if it is rejected.
        reason: why it is rejected, "" if it is not.
    """

    text: str
    reason: str = ""


def read_variant(answer: Answer, original: str) -> Reading:
    """Return the variant that an answer contains.

    Thoughts, code fences, an introducing line, list marks, labels (`Query:`) and marks around the whole line are
    taken off, unless the original starts with them too.

    Args:
        answer: of the language model.
        original: the text that it was to rewrite.

    Returns:
        The variant, or the reason why it is rejected: `empty`, `refusal`, `cut-off` (the answer reached a limit of
        tokens), `unreadable` (control characters), `several-lines`, `too-long` (more than 40 words and three times
        those of the original), or `same` (as the original).
    """
    if answer.finish == "content_filter":
        return Reading("", "refusal")
    if answer.finish == "length":
        return Reading("", "cut-off")
    lines = [line.strip() for line in _THOUGHTS.sub("", answer.text).splitlines()]
    lines = [line for line in lines if line and not line.startswith("```")]
    if not lines:
        return Reading("", "empty")
    if _REFUSAL.match(lines[0].replace("’", "'")) and not _REFUSAL.match(original.replace("’", "'")):
        return Reading("", "refusal")
    if len(lines) > 1 and lines[0].endswith(":"):
        lines = lines[1:]
    if len(lines) > 1:
        return Reading("", "several-lines")
    text = " ".join(_bare(lines[0], original).split())
    if not text:
        return Reading("", "empty")
    if any(sign == "\ufffd" or unicodedata.category(sign) in ("Cc", "Cs", "Co", "Cn") for sign in text):
        return Reading("", "unreadable")
    if len(text.split()) > 40 + 3 * len(original.split()):
        return Reading("", "too-long")
    if text == " ".join(original.split()):
        return Reading("", "same")
    return Reading(text)


def _bare(line: str, original: str) -> str:
    """Take off what a language model puts around a text."""
    for pattern in (_ITEM, _LABEL):
        if not pattern.match(original):
            line = pattern.sub("", line, count=1) if pattern.match(line) else line
    for before, after in _PAIRS:
        inner = line[len(before) : len(line) - len(after)]
        wrapped = line.startswith(before) and line.endswith(after) and before not in inner and after not in inner
        if wrapped and len(line) > len(before) + len(after) and not original.startswith(before):
            line = inner.strip()
    return line
