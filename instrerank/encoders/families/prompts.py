"""What a pointwise language model is asked about a passage, and how that is filled in."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from instrerank.encoders.families.profiles import Placement
from instrerank.encoders.texts import fill
from instrerank.errors import InputError

APART = "{|}"
"""What comes before and behind it is tokenised separately."""
_BEHIND = re.compile(r"\{q\}([^{}]*)\{i\}")
"""An instruction behind its query, with the separator between the two."""


@dataclass(frozen=True)
class Prompt:
    """How one family of language models is asked whether a passage is relevant.

    Attributes:
        family: name of the family.
        template: literal text with `{q}` (query), `{i}` (instruction), `{d}` (passage) and `{|}` (tokenised apart).
        true: token that answers yes, spelt as in the vocabulary.
        false: token that answers no; "" if the score is the logit of `true` alone.
        max_length: maximum tokens of the whole prompt.
        source: reference for the prompt.
        alone: template for a query without an instruction; "": `template` with `default_instruction`, or without its
            `{i}` and what separates that from `{q}`.
        default_instruction: what queries without an instruction are given; "" for nothing.
        special_tokens: whether the tokenizer adds its own special tokens around the part with the passage.
        instructed: whether these models were trained with free instructions.
    """

    family: str
    template: str
    true: str = "true"
    false: str = "false"
    max_length: int = 2048
    source: str = ""
    alone: str = ""
    default_instruction: str = ""
    special_tokens: bool = True
    instructed: bool = False

    @property
    def without_instruction(self) -> str:
        """Template for a query without an instruction; "" if the model cannot do without one."""
        if self.alone:
            return self.alone
        if self.default_instruction:
            return self.template.replace("{i}", literal(self.default_instruction))
        shortened = _BEHIND.sub("{q}", self.template)
        return "" if "{i}" in shortened else shortened


class Part(NamedTuple):
    """A part of a prompt that is tokenised by itself, and where in it the passage lies, if it does."""

    text: str
    passage: tuple[int, int] | None


def literal(text: str) -> str:
    """Return a template that stands for a text, whatever braces it has."""
    return re.sub(r"\{(?=(?:q|i|d|\?|\(|\|)\})", "{(}", text)


def own_prompt(template: str) -> Prompt | None:
    """Return the prompt that a user wrote, with the instruction behind the query unless it has a place; or None.

    A template needs one place for the query and one for the passage, and has at most one for the instruction.
    """
    if not template.count("{q}") == template.count("{d}") == 1 or template.count("{i}") > 1:
        return None
    return Prompt("given by options", template if "{i}" in template else template.replace("{q}", "{q} {i}"))


def place_in_prompt(prompt: Prompt, placement: Placement) -> Prompt:
    """Return the prompt with the instruction in another place than the family's own (see `texts.place_instruction`).

    Raises:
        InputError: the prompt cannot do without an instruction in its own place.
    """
    if placement == "slot":
        return prompt
    alone = prompt.without_instruction
    if placement == "after" and not alone:
        raise InputError(
            f"`instruction_placement` after leaves {{i}} empty, and the prompt {prompt.template!r} has no default "
            "instruction for it: use slot or both"
        )
    template = prompt.template if placement == "both" else alone
    return replace(prompt, template=template.replace("{q}", "{q} {i}"), alone=alone, default_instruction="")


def fill_prompt(prompt: Prompt, query: str, instruction: str, passage: str) -> list[Part]:
    """Fill in a prompt.

    Raises:
        InputError: no instruction where the prompt cannot do without one.
    """
    template = prompt.template if instruction.strip() else prompt.without_instruction
    if not template:
        raise InputError(
            f"the prompt {prompt.template!r} needs an instruction: give every query one (`instruction` for all), or a "
            "`prompt` in which {i} comes after {q}"
        )
    parts = []
    for each in template.split(APART):
        text, before, _ = fill(each, "d", {"q": query, "i": instruction, "d": passage})
        parts.append(Part(text, (len(before), len(before) + len(passage)) if "{d}" in each else None))
    return parts


def prompt_literals(prompt: Prompt) -> list[str]:
    """Return the templates of a prompt."""
    return [prompt.template, prompt.without_instruction]
