"""Edits of one word of a passage, with words that others choose: insertion, replacement, reviewed synonyms.

After the word substitutions of PRADA (Wu et al. 2022, 2204.01321), with the words of a topic's query and of its best
passages instead of a surrogate's gradient.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence

from instrerank.perturbations.base import Edit, Perturbation, Perturbed, edited
from instrerank.perturbations.synonyms import REVIEWED, replace_word
from instrerank.perturbations.words import eligible, with_case_of
from instrerank.trec.types import Topic

Words = Sequence[Sequence[str]]
"""Groups of words: each group is as likely to be drawn from as any other, and so is each word of a group."""


def distinct_words(texts: Iterable[str]) -> list[str]:
    """Return the distinct eligible words of some texts in lower case, in order of appearance."""
    return list(dict.fromkeys(text[start:end].lower() for text in texts for start, end in eligible(text)))


def word_insertion(topic: Topic, rng: random.Random, words: Words) -> Perturbed:
    """Insert a word before another one or at the end."""
    starts = [match.start() for match in re.finditer(r"\S+", topic.text)]
    position = rng.choice([*starts, len(topic.text)])
    word = rng.choice(rng.choice(words))
    after = f"{word} " if position < len(topic.text) else f" {word}" if topic.text else word
    return edited(topic, [Edit("word-insertion", position, "", after)])


def word_replacement(topic: Topic, rng: random.Random, words: Words) -> Perturbed:
    """Replace an eligible word."""
    spans = eligible(topic.text)
    if not spans:
        return Perturbed(topic, topic)
    start, end = rng.choice(spans)
    old = topic.text[start:end]
    return edited(topic, [Edit("word-replacement", start, old, with_case_of(rng.choice(rng.choice(words)), old))])


def word_mixed(topic: Topic, rng: random.Random, words: Words) -> Perturbed:
    """Insert a word, replace one, or swap one for a reviewed synonym."""
    edit = rng.choice([word_insertion, word_replacement, _synonym])
    return edit(topic, rng, words)


def _synonym(topic: Topic, rng: random.Random, words: Words) -> Perturbed:
    return replace_word(topic, rng, lambda word: REVIEWED.get(word, ()), "synonym")


WORD_EDITS: dict[str, Callable[[Topic, random.Random, Words], Perturbed]] = {
    "word-insertion": word_insertion,
    "word-replacement": word_replacement,
    "word-mixed": word_mixed,
}


def word_edits(name: str, words: Words) -> Perturbation:
    """Return a perturbation that edits one word of a passage, given as the text of a topic.

    Args:
        name: one of `WORD_EDITS`.
        words: groups of words to insert; empty ones are left out, but not all of them.
    """
    edit, groups = WORD_EDITS[name], [group for group in words if group]
    return Perturbation(name, "word", "invariance", apply=lambda topic, rng: edit(topic, rng, groups))
