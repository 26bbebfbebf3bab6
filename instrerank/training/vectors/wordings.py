"""Ways to say what a passage must or must not do (wordings.txt), none of them one of `constrain`'s or of pocket's.

In a frame {n} is a word for passages, {p} a predicate in the plural ("mention wax"), {s} in the singular, {g} as a
gerund; {t} is a word that passages may mention, {w} a number of words, {q} the query; others are phrases of passages.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

from instrerank.perturbations.constraints import Rule
from instrerank.training.vectors.frames import Frames

FRAMES = Frames(Path(__file__).with_suffix(".txt"))
VERBS = {"have": ("has", "having"), "be": ("is", "being"), "run": ("runs", "running")}
VERBS |= {"put": ("puts", "putting"), "quote": ("quotes", "quoting"), "tell": ("tells", "telling")}


def instruction(rule: Rule, query: str, rng: random.Random) -> str:
    """Say a rule in one of some million ways, most often behind what asks for no more than an answer."""
    opening = neutral(query, rng) if rng.random() < 0.7 else ""
    afterthought = FRAMES.fill("afterthought", rng) if rng.random() < 0.3 else ""
    return " ".join(filter(None, (opening, said(rule, rng), afterthought)))


def said(rule: Rule, rng: random.Random) -> str:
    """Say a rule and nothing else."""
    wanted = "wanted" if rule.wanted else "unwanted"
    names = {"t": rule.term, "T": rule.term.capitalize(), "w": str(rule.words)}
    if rule.kind == "mentions" and rng.random() < 0.35:
        return FRAMES.fill(f"term {wanted}", rng, **names)
    if rule.kind == "longer" and rng.random() < 0.3:
        return FRAMES.fill("long" if rule.wanted else "short", rng, **names)
    plural = FRAMES.fill(f"predicate: {rule.kind}", rng, **names)
    singular = plural.replace(" in them", " in it")
    clause = FRAMES.fill(wanted, rng, p=plural, s=_with(singular, _third), g=_with(plural, _gerund))
    if rng.random() < 0.35:
        reason = FRAMES.fill(f"reason: term {wanted}" if rule.kind == "mentions" else "reason", rng, **names)
        return f"{reason} {clause if reason[-1] == '.' else clause[0].lower() + clause[1:]}"
    return clause


def neutral(query: str, rng: random.Random) -> str:
    """Say nothing beyond the query."""
    return FRAMES.fill("neutral", rng, q=query.rstrip("?. "))


def topical(query: str, wanted: Sequence[str], unwanted: Sequence[str], rng: random.Random) -> str:
    """Say what passages are about (two phrases), and, where given, what they are not about (three phrases)."""
    about = FRAMES.fill("about", rng, q=query.rstrip("?. "), **dict(zip("ab", wanted, strict=True)))
    if not unwanted:
        return f"{about}."
    not_about = FRAMES.fill("not about", rng, **dict(zip("xyz", unwanted, strict=True)))
    return f"{about}; {not_about}." if rng.random() < 0.5 else f"{about}. {not_about[0].upper()}{not_about[1:]}."


def _with(predicate: str, form: Callable[[str], str]) -> str:
    verb, _, rest = predicate.partition(" ")
    return f"{form(verb)} {rest}".strip()


def _third(verb: str) -> str:
    if verb in VERBS:
        return VERBS[verb][0]
    if verb.endswith("fy"):
        return f"{verb.removesuffix('y')}ies"
    return verb + ("es" if verb.endswith(("ss", "ch")) else "s")


def _gerund(verb: str) -> str:
    return VERBS[verb][1] if verb in VERBS else f"{verb.removesuffix('e')}ing"
