"""What pointwise language-model rerankers are asked, word for word, and which two tokens answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from instrerank.errors import InputError


@dataclass(frozen=True)
class Prompt:
    """How one family of language models is asked whether a passage is relevant.

    Attributes:
        family: name of the family.
        template: literal text with `{q}` (query and instruction, joined by a blank) and `{d}`.
        true: token that says yes, as it stands in the vocabulary.
        false: token that says no.
        max_length: tokens of the whole prompt.
        source: where this comes from.
    """

    family: str
    template: str
    true: str = "true"
    false: str = "false"
    max_length: int = 2048
    source: str = ""

    def __post_init__(self) -> None:
        if self.template.count("{q}") != 1 or self.template.count("{d}") != 1:
            raise InputError(f"the prompt {self.template!r} must contain {{q}} and {{d}} once each")


PROMPTS: tuple[tuple[str, Prompt], ...] = (
    (
        r"followir-7b",
        Prompt(
            "followir",
            # the literal <s> comes after the tokenizer's own, as in the reference
            "<s> [INST] You are an expert Google searcher, whose job is to determine if the following document is "
            "relevant to the query (true/false). Answer using only one word, one of those two choices.\n\n"
            "Query: {q}\nDocument: {d}\n"
            'Relevant (only output one word, either "true" or "false"): [/INST] ',
            source="arXiv 2403.15246, code orionw/FollowIR (reranker_models.py)",
        ),
    ),
    (
        r"mistral-7b-instruct-v0\.[123]",
        Prompt(
            "mistral-instruct",
            "<s>[INST] You are an expert Google searcher, whose job is to determine if the following document is "
            'relevant to the query (true/false).\nQuery: {q}\nDocument: {d}\nRelevant (either "true" or '
            '"false"): [/INST]',
            source="code orionw/FollowIR (reranker_models.py)",
        ),
    ),
    (
        r"monot5-(small|base|large|3b)-.*",
        Prompt(
            "monot5",
            "Query: {q} Document: {d} Relevant:",
            true="▁true",
            false="▁false",
            max_length=512,
            source="arXiv 2003.06713, code castorini/pygaggle",
        ),
    ),
)
"""Patterns of model names without their organisation, matched whole, case ignored."""


def match_prompt(name: str) -> Prompt | None:
    """Return the prompt of a published reranker, or None."""
    base = Path(name).name.lower()
    return next((prompt for names, prompt in PROMPTS if re.fullmatch(names, base)), None)


def prompt_parts(prompt: Prompt, query: str, instruction: str, passage: str) -> tuple[str, str, str]:
    """Return what stands before the passage, the passage, and what stands after it; joined, they are the prompt.

    Raises:
        InputError: an empty query or passage.
    """
    if not query.strip() or not passage.strip():
        raise InputError("an empty query or passage cannot be scored: the answer would mean nothing (see --missing)")
    before, after = prompt.template.split("{d}")
    asked = f"{query} {instruction}".strip()
    return before.replace("{q}", asked), passage, after.replace("{q}", asked)
