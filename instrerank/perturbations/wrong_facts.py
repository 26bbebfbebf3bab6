"""Passages with the same words but a wrong fact: another number, another name, an opposite, a negation."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from instrerank.perturbations.instructions import OPPOSITES
from instrerank.perturbations.meaning import negating_edit
from instrerank.perturbations.sentences import content_words
from instrerank.perturbations.words import LETTERS, STOP_WORDS, with_case_of
from instrerank.trec.types import Topic

_NUMBER = re.compile(r"(?<![\w.,])[0-9]+(?:[.,][0-9]+)*(?![\w])")
_YEAR = re.compile(r"(?:1[0-9]|20)[0-9]{2}")
_NAME = re.compile(r"(?<=[a-z,;)] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
"""Capitalised words inside a sentence; English and other languages that write names so."""


class WrongFact(NamedTuple):
    """A passage whose answer sentence states something else.

    Attributes:
        kind: what was changed: number, name, opposite or negation.
        text: the passage; a changed number or name is changed wherever it occurs.
        sentence: its answer sentence.
    """

    kind: str
    text: str
    sentence: str


def names_in(text: str) -> list[str]:
    """Return the names inside the sentences of a text."""
    return [name for name in _NAME.findall(text) if name.split()[0].lower() not in STOP_WORDS]


def wrong_fact(text: str, sentence: str, query: str, names: Sequence[str], rng: random.Random) -> WrongFact | None:
    """Return the passage with a wrong fact in its answer sentence; None if nothing there can be made wrong.

    The first of these that the sentence has: numbers (all of them), names (all of them), words with an opposite (one),
    an auxiliary verb or a `not` (negated). What the query names itself stays.

    Args:
        text: the passage.
        sentence: the sentence with the answer, as it is in the passage.
        query: text of the query.
        names: names that may take the place of others, from passages on other topics.
        rng: the only source of randomness.
    """
    asked = content_words(query)
    numbers = [each for each in dict.fromkeys(_NUMBER.findall(sentence)) if each not in _NUMBER.findall(query)]
    if numbers:
        swaps = {number: _other_number(number, rng) for number in numbers}
        return _everywhere("number", text, sentence, _NUMBER, swaps)
    own = [each for each in dict.fromkeys(names_in(sentence)) if not content_words(each) & asked]
    others = sorted({name for name in names if name not in text and not content_words(name) & asked})
    if own and others:
        swaps = {name: _of_length(name, others, rng) for name in own}
        return _everywhere("name", text, sentence, _NAME, swaps)
    opposed = [match for match in LETTERS.finditer(sentence) if match[0].lower() in OPPOSITES]
    if opposed:
        match = rng.choice(opposed)
        other = with_case_of(OPPOSITES[match[0].lower()], match[0])
        changed = sentence[: match.start()] + other + sentence[match.end() :]
        return WrongFact("opposite", text.replace(sentence, changed, 1), changed)
    edit = negating_edit(sentence)
    if edit.before or edit.position:
        changed = edit.applied_to(Topic("", sentence)).text
        return WrongFact("negation", text.replace(sentence, changed, 1), changed)
    return None


def _everywhere(kind: str, text: str, sentence: str, pattern: re.Pattern[str], swaps: dict[str, str]) -> WrongFact:
    def swapped(match: re.Match[str]) -> str:
        return swaps.get(match[0], match[0])

    return WrongFact(kind, pattern.sub(swapped, text), pattern.sub(swapped, sentence))


def _other_number(number: str, rng: random.Random) -> str:
    """Return a number of the same form: the last digit of a year changed, the first of any other."""
    place = len(number) - 1 if _YEAR.fullmatch(number) else 0
    return number[:place] + rng.choice([d for d in "123456789" if d != number[place]]) + number[place + 1 :]


def _of_length(name: str, others: Sequence[str], rng: random.Random) -> str:
    """Return another name, with as many words if there is one."""
    same = [other for other in others if other.count(" ") == name.count(" ")]
    return rng.choice(same or list(others))
