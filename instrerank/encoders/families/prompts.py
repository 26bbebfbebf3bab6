"""The prompts of pointwise language-model rerankers, word for word, and the two tokens of their answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from instrerank.errors import InputError


@dataclass(frozen=True)
class Prompt:
    """How one family of language models is asked whether a passage is relevant.

    Attributes:
        family: name of the family.
        template: literal text with `{q}` (query and instruction, joined by a space) and `{d}`.
        true: token that answers yes, spelt as in the vocabulary.
        false: token that answers no.
        max_length: maximum tokens of the whole prompt.
        source: reference for the prompt.
    """

    family: str
    template: str
    true: str = "true"
    false: str = "false"
    max_length: int = 2048
    source: str = ""


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
"""By pattern of the model's name without its organisation; the whole name must match, ignoring case."""


def match_prompt(name: str) -> Prompt | None:
    """Return the prompt of a published reranker, or None."""
    base = Path(name).name.lower()
    return next((prompt for names, prompt in PROMPTS if re.fullmatch(names, base)), None)


def choose_prompt(
    name: str, prompt: str | None = None, true_token: str | None = None, false_token: str | None = None
) -> Prompt:
    """Return the prompt of a language model, with its answers.

    Args:
        name: name of the model, by which published rerankers are recognised.
        prompt: a family of `PROMPTS`, or a text with {q} and {d}; None: that of the model's name.
        true_token: token that answers yes; None: the family's, "true" for a text.
        false_token: token that answers no; None: the family's, "false" for a text.

    Raises:
        InputError: an unknown model, or a prompt without its two fields.
    """
    families = {known.family: known for _, known in PROMPTS}
    chosen = match_prompt(name) if prompt is None else families.get(prompt)
    if prompt is not None and prompt.count("{q}") == prompt.count("{d}") == 1:
        chosen = Prompt("given by options", prompt)
    if chosen is None:
        what = f"no prompt is known for {name}" if prompt is None else f"unknown `prompt` {prompt!r}"
        raise InputError(
            f"{what}: give `prompt` as one of {', '.join(families)}, or as a text with {{q}} and {{d}} once each; if "
            "the model's answers are not true and false, also give `true_token` and `false_token`"
        )
    return replace(chosen, true=true_token or chosen.true, false=false_token or chosen.false)


def prompt_parts(prompt: Prompt, query: str, instruction: str, passage: str) -> tuple[str, str, str]:
    """Return the prompt in three parts: the text before the passage, the passage, and the text after it.

    Raises:
        InputError: an empty query or passage.
    """
    if not query.strip() or not passage.strip():
        raise InputError("cannot score an empty query or passage: remove it, or give it a text")
    before, after = prompt.template.split("{d}")
    asked = f"{query} {instruction}".strip()
    return before.replace("{q}", asked), passage, after.replace("{q}", asked)
