"""Text that does not belong to a query: commands, markers, roles, praise and stuffing, from frames (payloads.txt).

A part is drawn from the half of `perturb`'s grammar that is for training. No three consecutive words occur in its
other half, which attacks are tested with, or in `perturb`'s fixed injections: those stay unseen.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from pathlib import Path

from instrerank.perturbations.payloads import draw_payload
from instrerank.training.vectors.frames import Frames

FRAMES = Frames(Path(__file__).with_suffix(".txt"))
KINDS = {"override": 5, "marker": 2, "role": 3, "praise": 1, "stuffing": 2}
"""Sections that a payload begins with, and how often each is drawn."""
AGAIN = ("override", "marker", "praise")
"""Sections of a second sentence."""
OF_THE_GRAMMAR = 0.3
"""Share of payloads that come from `instrerank.perturbations.payloads`."""
BRACKETS = ("{}", "#{}", "*{}*", "<{}>", "[{}]", "({})", '"{}"', "@{}")


def payload(phrases: Sequence[str], rng: random.Random) -> str:
    """Draw a payload.

    Args:
        phrases: at least two of a passage on something else.
        rng: what is drawn from.
    """
    if rng.random() < OF_THE_GRAMMAR:
        return draw_payload(rng, half="train").text
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
