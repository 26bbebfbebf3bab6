"""Numbers, units and negation: the same value in another form, or a deliberate change of meaning."""

from __future__ import annotations

import random
import re

from instrerank.perturbations.base import Edit, Perturbed, edited
from instrerank.perturbations.registry import register
from instrerank.trec.types import Topic

NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)

UNITS = {
    "km": "kilometers",
    "cm": "centimeters",
    "mm": "millimeters",
    "kg": "kilograms",
    "mg": "milligrams",
    "ml": "milliliters",
    "lb": "pounds",
    "lbs": "pounds",
    "oz": "ounces",
    "ft": "feet",
    "mph": "miles per hour",
    "kmh": "kilometers per hour",
    "hr": "hour",
    "hrs": "hours",
    "min": "minutes",
    "sec": "seconds",
    "yr": "year",
    "yrs": "years",
    "gb": "gigabytes",
    "mb": "megabytes",
    "tb": "terabytes",
    "kw": "kilowatts",
    "kwh": "kilowatt hours",
    "%": "percent",
}
"""Abbreviated units and their names, both recognised only after a number."""

_DIGITS = r"(?<![\w.,-])(\d+)(?![\w-]|[.,]\d)"  # a whole number, not part of a name, date or decimal
_AUXILIARIES = (
    r"\b(is|are|was|were|do|does|did|can|could|will|would|should|may|might|must|has|have|had)\b(?!\s+not\b|n't)"
)


def _one_of(topic: Topic, rng: random.Random, edits: list[Edit]) -> Perturbed:
    return edited(topic, [rng.choice(edits)]) if edits else Perturbed(topic, topic)


@register("number-words", family="numbers", expects="invariance")
def number_words(topic: Topic, rng: random.Random) -> Perturbed:
    """One number up to twenty changed from digits to a word or back."""
    written = rf"\b({'|'.join(NUMBER_WORDS[2:])})\b"
    edits = [
        Edit("number-words", match.start(), match[0], NUMBER_WORDS[int(match[0])])
        for match in re.finditer(_DIGITS, topic.text)
        if re.fullmatch(r"[0-9]|1[0-9]|20", match[0])
    ]
    edits += [
        Edit("number-words", match.start(), match[0], str(NUMBER_WORDS.index(match[0].lower())))
        for match in re.finditer(written, topic.text, re.IGNORECASE)
    ]
    return _one_of(topic, rng, edits)


@register("number-grouping", family="numbers", expects="invariance")
def number_grouping(topic: Topic, rng: random.Random) -> Perturbed:
    """Thousands separators added to or removed from one number of at least five digits (years have four)."""
    edits = [
        Edit("number-grouping", match.start(), match[0], f"{int(match[0]):,}")
        for match in re.finditer(_DIGITS, topic.text)
        if re.fullmatch(r"[1-9][0-9]{4,17}", match[0])
    ]
    edits += [
        Edit("number-grouping", match.start(), match[0], match[0].replace(",", ""))
        for match in re.finditer(r"(?<![\w.,])[1-9][0-9]{0,2}(,[0-9]{3})+(?![\w,])", topic.text)
    ]
    return _one_of(topic, rng, edits)


@register("unit-names", family="numbers", expects="invariance")
def unit_names(topic: Topic, rng: random.Random) -> Perturbed:
    """One unit after a number changed from its abbreviation to its name or back: 5 km, 5 kilometers."""
    short = {name: unit for unit, name in reversed(UNITS.items())}
    table = UNITS | short
    names = "|".join(re.escape(unit) for unit in sorted(table, key=len, reverse=True))
    edits = []
    for match in re.finditer(rf"(?<=[0-9])(\s*)({names})(?!\w)", topic.text, re.IGNORECASE):
        new = table[match[2].lower()]
        space = "" if new == "%" else match[1] or " "
        edits.append(Edit("unit-names", match.start(), match[0], space + new))
    return _one_of(topic, rng, edits)


@register("number-change", family="numbers", expects="directional")
def number_change(topic: Topic, rng: random.Random) -> Perturbed:
    """One number replaced by another of the same length: passages that answered the query should drop."""
    edits = []
    for match in re.finditer(r"[0-9]+", topic.text):
        digit = rng.randrange(len(match[0]))
        lowest = 1 if digit == 0 and len(match[0]) > 1 else 0
        other = rng.choice([str(d) for d in range(lowest, 10) if str(d) != match[0][digit]])
        edits.append(Edit("number-change", match.start() + digit, match[0][digit], other))
    return _one_of(topic, rng, edits)


@register("negation", family="negation", expects="directional", seeded=False)
def negation(topic: Topic, rng: random.Random) -> Perturbed:
    """`not` inserted after the first auxiliary verb or at the start: passages that answered the query should drop."""
    return edited(topic, [negating_edit(topic.text)])


def negating_edit(text: str) -> Edit:
    """Return the edit that negates a sentence or removes its negation."""
    present = re.search(r"\bnot\s+", text, re.IGNORECASE)
    if present:
        return Edit("negation", present.start(), present[0], "")
    auxiliary = re.search(_AUXILIARIES, text, re.IGNORECASE)
    if auxiliary:
        return Edit("negation", auxiliary.end(), "", " not")
    return Edit("negation", 0, "", "not ")
