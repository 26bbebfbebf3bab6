"""Text that does not belong to a query: commands, markers, roles, praise and stuffing, from a grammar (payloads.txt).

None of it is in `perturb`'s words: its injections, and the payloads that `attack` searches, stay unseen in training.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from pathlib import Path

from instrerank.training.vectors.frames import Frames

FRAMES = Frames(Path(__file__).with_suffix(".txt"))
KINDS = {"override": 5, "marker": 2, "role": 3, "praise": 1, "stuffing": 2}
"""Sections that a payload begins with, and how often each is drawn."""
AGAIN = ("override", "marker", "praise")
"""Sections of a second sentence."""
BRACKETS = ("{}", "#{}", "*{}*", "<{}>", "[{}]", "({})", '"{}"', "@{}")


def payload(phrases: Sequence[str], rng: random.Random) -> str:
    """Draw a payload.

    Args:
        phrases: at least two of a passage on something else.
        rng: what is drawn from.
    """
    (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
    text = _filled(kind, phrases, rng)
    if kind == "override" and rng.random() < 0.3:
        text = f"{text}. {_filled(rng.choice(AGAIN), phrases, rng)}"
    if rng.random() < 0.3:
        text = text[:1].upper() + text[1:]
    return text + rng.choice(["", "", ".", ".", "!"])


def inserted(query: str, text: str, rng: random.Random) -> str:
    """Put a payload before or behind a query, or now and then between two of its words."""
    words = query.split()
    place = rng.choice([0, len(words)]) if rng.random() < 0.85 else rng.randint(0, len(words))
    joint = rng.choice(["", "", "", ".", " -", ":", ","]) if place else ""
    return " ".join(filter(None, [" ".join(words[:place]) + joint, text, " ".join(words[place:])]))


def _filled(section: str, phrases: Sequence[str], rng: random.Random) -> str:
    b, c = rng.sample(list(phrases), 2)
    fields = {"m": _marker(rng), "b": b, "c": c}
    for name, heading in (("r", "agent"), ("past", "past"), ("demand", "demand")):
        fields[name] = FRAMES.fill(heading, rng, **fields)
    return FRAMES.fill(section, rng, **fields)


def _marker(rng: random.Random) -> str:
    """Draw a made-up code, such as kx42, #blue or *zorp*."""
    if rng.random() < 0.5:
        code = "".join(rng.choices(string.ascii_letters + string.digits, k=rng.randint(2, 6)))
    else:
        code = "".join(map(rng.choice, ("bcdfgklmnprstvz", "aeiou", "bdgklmnprst", ["", "o", "ex"])))
    return rng.choice(BRACKETS).format(code)
