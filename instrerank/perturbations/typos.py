"""Misspellings: one edit in one eligible word (docs/methods.md, Perturbations).

After Penha et al. 2022 (2111.13057), Zhuang & Zuccon 2021 (2108.12139) and CharacterBERT-DR (2204.00716).
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from typing import TypeVar

from instrerank.errors import InputError
from instrerank.perturbations.base import Edit, Perturbed, edited
from instrerank.perturbations.registry import register
from instrerank.perturbations.words import eligible, with_case_of
from instrerank.trec.types import Topic

Change = Callable[[str, int, random.Random], "tuple[str, str] | None"]
"""Maps (word, index, rng) to the text to replace there and its replacement, or None if the edit is impossible."""


def _neighbours() -> dict[str, str]:
    """Adjacent QWERTY keys: at most 1.3 key widths apart, with rows shifted by 0.25 and 0.75 of a key."""
    rows = (("qwertyuiop", 0.0), ("asdfghjkl", 0.25), ("zxcvbnm", 0.75))
    keys = {key: (x + shift, y) for y, (row, shift) in enumerate(rows) for x, key in enumerate(row)}
    return {
        a: "".join(b for b, (u, v) in keys.items() if a != b and (x - u) ** 2 + (y - v) ** 2 <= 1.3**2)
        for a, (x, y) in keys.items()
    }


NEIGHBOURS = _neighbours()


def _alphabet(word: str) -> Sequence[str]:
    """Letters to draw from: a to z, or the word's own letters if it is in another script."""
    return string.ascii_lowercase if any(c in string.ascii_letters for c in word) else sorted(set(word))


def _swap(word: str, index: int, rng: random.Random) -> tuple[str, str] | None:
    pair = word[index : index + 2]
    return (pair, pair[::-1]) if len(pair) == 2 and pair[0].lower() != pair[1].lower() else None


def _delete(word: str, index: int, rng: random.Random) -> tuple[str, str] | None:
    return (word[index], "") if index < len(word) else None


def _insert(word: str, index: int, rng: random.Random) -> tuple[str, str] | None:
    return "", with_case_of(rng.choice(_alphabet(word)), word if word.isupper() else "")


def _substitute(word: str, index: int, rng: random.Random) -> tuple[str, str] | None:
    old = word[index : index + 1]
    others = [letter for letter in _alphabet(word) if letter.lower() != old.lower()]
    return (old, with_case_of(rng.choice(others), old)) if old and others else None


def _keyboard(word: str, index: int, rng: random.Random) -> tuple[str, str] | None:
    old = word[index : index + 1]
    near = NEIGHBOURS.get(old.lower(), "")
    return (old, with_case_of(rng.choice(near), old)) if near else None


KINDS: dict[str, Change] = {
    "swap": _swap,
    "delete": _delete,
    "insert": _insert,
    "substitute": _substitute,
    "keyboard": _keyboard,
}


Confusions = Sequence[tuple[str, str]]

OCR: Confusions = (
    *(("rn", "m"), ("m", "rn"), ("cl", "d"), ("d", "cl"), ("vv", "w"), ("w", "vv"), ("li", "h"), ("h", "li")),
    *(("l", "1"), ("i", "1"), ("o", "0"), ("s", "5"), ("b", "8"), ("g", "9"), ("z", "2"), ("e", "c"), ("c", "e")),
    *(("u", "v"), ("v", "u"), ("nn", "m"), ("t", "f"), ("f", "t"), ("q", "g")),
)
"""Pairs that optical character recognition confuses."""

PHONETIC: Confusions = (
    *(("ph", "f"), ("f", "ph"), ("ie", "ei"), ("ei", "ie"), ("ee", "ea"), ("ea", "ee"), ("ance", "ence")),
    *(("ence", "ance"), ("able", "ible"), ("ible", "able"), ("tion", "sion"), ("sion", "tion"), ("ck", "k")),
    *(("que", "k"), ("qu", "kw"), ("gh", "g"), ("kn", "n"), ("wr", "r"), ("wh", "w"), ("mb", "m"), ("oo", "u")),
    *(("ou", "ow"), ("ai", "ay"), ("ay", "ai"), ("y", "i"), ("c", "k"), ("k", "c"), ("s", "z"), ("z", "s")),
    *(("er", "or"), ("or", "er"), ("ll", "l"), ("ss", "s"), ("tt", "t"), ("mm", "m"), ("nn", "n"), ("rr", "r")),
)
"""Spellings that sound alike in English."""


def _confuse(confusions: Confusions) -> Change:
    def change(word: str, index: int, rng: random.Random) -> tuple[str, str] | None:
        fitting = [pair for pair in confusions if word.lower().startswith(pair[0], index)]
        if not fitting:
            return None
        old, new = rng.choice(fitting)
        old = word[index : index + len(old)]
        return old, with_case_of(new, old)

    return change


def misspell(topic: Topic, rng: random.Random, kinds: Sequence[tuple[str, Change]], edits: int) -> Perturbed:
    """Make `edits` edits of random kinds, each in another eligible word; fewer if there are not enough words."""
    if edits < 1:
        raise InputError(f"`edits` must be at least 1, got {edits}")
    done: list[Edit] = []
    for start, end in _shuffled(eligible(topic.text), rng):
        edit = _edit_word(topic.text[start:end], start, rng, kinds)
        if edit:
            done.append(edit)
        if len(done) == edits:
            break
    # from the last word to the first, no edit moves the place of the next
    return edited(topic, sorted(done, key=lambda edit: -edit.position))


def _edit_word(word: str, start: int, rng: random.Random, kinds: Sequence[tuple[str, Change]]) -> Edit | None:
    for kind, change in _shuffled(kinds, rng):
        for index in _shuffled(range(len(word) + 1), rng):
            pair = change(word, index, rng)
            if pair:
                return Edit(kind, start + index, *pair)
    return None


_T = TypeVar("_T")


def _shuffled(items: Sequence[_T], rng: random.Random) -> list[_T]:
    return rng.sample(items, len(items))


def _register(kind: str, change: Change, summary: str) -> None:
    def typo(topic: Topic, rng: random.Random, *, edits: int = 1) -> Perturbed:
        return misspell(topic, rng, [(kind, change)], edits)

    typo.__doc__ = summary
    register(f"typo-{kind}", family="typo", expects="invariance")(typo)


_register("swap", _swap, "Two adjacent characters of a word swapped.")
_register("delete", _delete, "One character of a word deleted.")
_register("insert", _insert, "A random letter inserted into a word.")
_register("substitute", _substitute, "One letter of a word replaced by a random one.")
_register(
    "keyboard", _keyboard, "One letter of a word replaced by an adjacent one on a QWERTY keyboard, keeping case."
)
_register("ocr", _confuse(OCR), "An OCR confusion in one word, such as rn for m.")
_register("phonetic", _confuse(PHONETIC), "A spelling that sounds the same in one word, such as f for ph.")


@register("typo-mixed", family="typo", expects="invariance")
def typo_mixed(topic: Topic, rng: random.Random, *, edits: int = 1) -> Perturbed:
    """One of swap, delete, insert, substitute and keyboard, drawn at random."""
    return misspell(topic, rng, tuple(KINDS.items()), edits)
