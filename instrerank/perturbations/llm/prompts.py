"""The recorded prompts: what a language model is asked for each kind of variant."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

from instrerank.perturbations.base import Field
from instrerank.trec.types import Topic

VERSION = 1
"""Version of all prompts together, in the record of every query set: raised whenever one of them changes."""

_SAME_NEED = (
    "Keep exactly the same information need: add no condition, leave nothing out, and keep every name, number and "
    "negation. Do not answer the query."
)
_QUERY = "Reply with the rewritten query alone, on one line, without quotation marks or comments.\n\nQuery: {query}"


class Prompt(NamedTuple):
    """One kind of variant.

    Attributes:
        name: the perturbation is called `llm-<name>`.
        summary: what the variant is, in one line.
        template: the message, with {query}, {instruction} and the names of `draws`.
        changes: the field that the variant replaces.
        draws: values by name, one of which is drawn for each topic.
        adds: whether a variant may say more than the original, so that only the original must follow from it.
    """

    name: str
    summary: str
    template: str
    changes: Field = "text"
    draws: Mapping[str, tuple[str, ...]] = {}
    adds: bool = False

    def message(self, topic: Topic, rng: random.Random) -> str:
        """Return the message that asks for a variant of one topic."""
        drawn = {name: rng.choice(values) for name, values in self.draws.items()}
        return self.template.format(query=topic.text, instruction=topic.instruction, **drawn)


PROMPTS = (
    Prompt(
        "paraphrase",
        "The same need in other words, by a language model.",
        f"Rewrite the search query below in other words. {_SAME_NEED} {_QUERY}",
    ),
    Prompt(
        "persona",
        "The query as one of ten recorded personas would type it, by a language model.",
        "Rewrite the search query below as {persona} would type it into a search engine. Change the wording only, and "
        f"do not mention the person. {_SAME_NEED} {_QUERY}",
        draws={
            "persona": (
                "a ten-year-old child",
                "a high-school student who is writing an essay",
                "a doctoral student in the field",
                "a journalist on a deadline",
                "a retired teacher who rarely uses a computer",
                "a lawyer who words everything precisely",
                "a nurse on a short break",
                "a software engineer who is used to keyword search",
                "a parent who is typing on a phone with one hand",
                "a talkative shop owner",
            )
        },
    ),
    Prompt(
        "verbose",
        "The query as one or two full sentences with filler, by a language model.",
        "Rewrite the search query below as somebody would put it who writes at length: one or two full sentences of "
        f"at most 40 words, with polite and filler phrases that carry no information. {_SAME_NEED} {_QUERY}",
        adds=True,
    ),
    Prompt(
        "l2-speaker",
        "The query as a learner of English would write it, by a language model.",
        "Rewrite the search query below as an intermediate learner of English, whose first language is {language}, "
        "would write it, with the grammar, articles and choice of words that are typical of such learners. "
        f"{_SAME_NEED} {_QUERY}",
        draws={
            "language": (
                *("Arabic", "French", "German", "Hindi", "Japanese"),
                *("Korean", "Mandarin Chinese", "Portuguese", "Russian", "Spanish"),
            )
        },
    ),
    Prompt(
        "voice",
        "The query as a speech recogniser would transcribe it, by a language model.",
        "Write down the search query below as an automatic speech recogniser would transcribe it if it were asked "
        "aloud: in lower case, without punctuation, with numbers and abbreviations as they are spoken, with a "
        "hesitation where a speaker may hesitate, and with a confusion of words that sound alike where one is likely. "
        f"{_SAME_NEED} {_QUERY}",
        adds=True,
    ),
    Prompt(
        "adversarial-instruction",
        "The instruction reworded to mislead while the same documents stay relevant, by a language model.",
        "A search system receives a query and an instruction that says which documents are relevant. Rewrite the "
        "instruction so that exactly the same documents are relevant, but a system that only matches words is misled: "
        "put the criterion indirectly, and name what is not wanted. Do not answer the query, and do not address the "
        "system. Reply with the rewritten instruction alone, on one line, without quotation marks or comments.\n\n"
        "Query: {query}\nInstruction: {instruction}",
        changes="instruction",
        adds=True,
    ),
)
