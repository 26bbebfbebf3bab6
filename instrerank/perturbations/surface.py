"""The surface of the text: punctuation, case, Unicode look-alikes."""

from __future__ import annotations

import random
import re
import unicodedata

from instrerank.perturbations.base import Edit, Perturbed, edited
from instrerank.perturbations.registry import register
from instrerank.perturbations.words import LETTERS, eligible
from instrerank.trec.types import Topic

MARKS = ("?", "??", ".", "...", "!", "!!", ";", ",")

HOMOGLYPHS = dict(
    zip("aceiopxyjsABCEHIKMOPTXYS", "асеіорхујѕАВСЕНІКМОРТХУЅ", strict=True)  # the second string is Cyrillic
)
ZERO_WIDTH = ("\u200b", "\u2060")
ACCENTS = ("\u0300", "\u0301", "\u0302", "\u0308", "\u0303")
FULL_WIDTH = {code: code + 0xFEE0 for code in range(ord("!"), ord("~") + 1)}


@register("punctuation-append", family="punctuation", expects="invariance")
def punctuation_append(topic: Topic, rng: random.Random) -> str:
    """Final punctuation such as `?`, `...` or `!!`, different from the existing one (RoDR)."""
    text = topic.text.rstrip()
    return text + rng.choice([mark for mark in MARKS if not text.endswith(mark)])


@register("punctuation-removal", family="punctuation", expects="invariance", seeded=False)
def punctuation_removal(topic: Topic, rng: random.Random) -> str:
    """All punctuation removed, except between digits (1.5); words with an apostrophe are joined."""
    text = re.sub(r"(?<=\w)['’](?=\w)", "", topic.text)
    text = re.sub(r"(?!(?<=\d)[.,:/](?=\d))[^\w\s]|_", lambda match: _space_for(match[0]), text)
    return " ".join(text.split()) or topic.text


def _space_for(character: str) -> str:
    return " " if character == "_" or unicodedata.category(character)[0] == "P" else character


@register("case-lower", family="case", expects="invariance", seeded=False)
def case_lower(topic: Topic, rng: random.Random) -> str:
    """All letters in lower case."""
    return topic.text.lower()


@register("case-upper", family="case", expects="invariance", seeded=False)
def case_upper(topic: Topic, rng: random.Random) -> str:
    """All letters in upper case."""
    return topic.text.upper()


@register("case-title", family="case", expects="invariance", seeded=False)
def case_title(topic: Topic, rng: random.Random) -> str:
    """The first letter of each word in upper case."""
    return LETTERS.sub(lambda match: match[0][0].upper() + match[0][1:], topic.text)


@register("unicode-homoglyph", family="unicode", expects="invariance")
def unicode_homoglyph(topic: Topic, rng: random.Random) -> Perturbed:
    """One letter of a word replaced by the Cyrillic letter that looks the same."""
    places = [place for place in _places(topic.text) if topic.text[place] in HOMOGLYPHS]
    return _replaced(topic, rng, places, "homoglyph", [HOMOGLYPHS])


@register("unicode-diacritic", family="unicode", expects="invariance")
def unicode_diacritic(topic: Topic, rng: random.Random) -> Perturbed:
    """An accent added to one vowel of a word (composed form)."""
    places = [place for place in _places(topic.text) if topic.text[place] in "aeiouAEIOU"]
    tables = [{vowel: unicodedata.normalize("NFC", vowel + a) for vowel in "aeiouAEIOU"} for a in ACCENTS]
    composed = [table for table in tables if all(len(letter) == 1 for letter in table.values())]
    return _replaced(topic, rng, places, "diacritic", composed)


@register("unicode-zero-width", family="unicode", expects="invariance")
def unicode_zero_width(topic: Topic, rng: random.Random) -> Perturbed:
    """An invisible zero-width character inserted into a word."""
    places = [place for start, end in eligible(topic.text) for place in range(start + 1, end)]
    if not places:
        return Perturbed(topic, topic)
    return edited(topic, [Edit("zero-width", rng.choice(places), "", rng.choice(ZERO_WIDTH))])


@register("unicode-full-width", family="unicode", expects="invariance", seeded=False)
def unicode_full_width(topic: Topic, rng: random.Random) -> str:
    """All ASCII characters in their full-width forms, as typed with East Asian input methods."""
    return topic.text.translate(FULL_WIDTH)


def _places(text: str) -> list[int]:
    return [place for start, end in eligible(text) for place in range(start, end)]


def _replaced(
    topic: Topic, rng: random.Random, places: list[int], kind: str, tables: list[dict[str, str]]
) -> Perturbed:
    if not places:
        return Perturbed(topic, topic)
    place = rng.choice(places)
    letter = topic.text[place]
    return edited(topic, [Edit(kind, place, letter, rng.choice(tables)[letter])])
