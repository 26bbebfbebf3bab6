"""What pointwise language-model rerankers are asked, word for word, and which two tokens answer."""

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


def choose_prompt(
    name: str, prompt: str | None = None, true_token: str | None = None, false_token: str | None = None
) -> Prompt:
    """Return what a language model is asked, and how it answers.

    Args:
        name: of the model; published rerankers are known by it.
        prompt: a family of `PROMPTS`, or a text with {q} and {d}; None: what `name` is known for.
        true_token: answer that says yes; None: the family's, "true" for a text.
        false_token: answer that says no; None: the family's, "false" for a text.

    Raises:
        InputError: a model that is not known, or a prompt without its two fields.
    """
    families = {known.family: known for _, known in PROMPTS}
    chosen = match_prompt(name) if prompt is None else families.get(prompt)
    if prompt is not None and prompt.count("{q}") == prompt.count("{d}") == 1:
        chosen = Prompt("given by options", prompt)
    if chosen is None:
        what = f"what {name} was trained to be asked is not known" if prompt is None else f"{prompt!r} is not a prompt"
        raise InputError(
            f"{what}: give `prompt`, one of {', '.join(families)} or a text with {{q}} and {{d}} once each; where its "
            "answers are not true and false, also `true_token` and `false_token`"
        )
    return replace(chosen, true=true_token or chosen.true, false=false_token or chosen.false)


def prompt_parts(prompt: Prompt, query: str, instruction: str, passage: str) -> tuple[str, str, str]:
    """Return what stands before the passage, the passage, and what stands after it; joined, they are the prompt.

    Raises:
        InputError: an empty query or passage.
    """
    if not query.strip() or not passage.strip():
        raise InputError("an empty query or passage cannot be scored: the answer would mean nothing")
    before, after = prompt.template.split("{d}")
    asked = f"{query} {instruction}".strip()
    return before.replace("{q}", asked), passage, after.replace("{q}", asked)
