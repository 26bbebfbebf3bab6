"""Word forms: singular and plural, and verb tense. English only, by rules and short lists."""

from __future__ import annotations

import random
import re

from instrerank.perturbations.base import Edit, Perturbed, edited
from instrerank.perturbations.registry import register
from instrerank.perturbations.words import LETTERS, eligible, with_case_of
from instrerank.trec.types import Topic

_IRREGULAR = """
    is was | are were | am was | has had | have had | do did | does did | can could | will would | may might |
    begin began | begins began | become became | becomes became | bring brought | build built | buy bought |
    catch caught | choose chose | come came | comes came | cut cut | draw drew | drink drank | drive drove | eat ate
    | fall fell | feel felt | fight fought | find found | fly flew | forget forgot | get got | gets got | give gave
    | gives gave | go went | goes went | grow grew | grows grew | hear heard | hold held | keep kept | know knew |
    lead led | leads led | leave left | lose lost | make made | makes made | mean meant | means meant | meet met |
    pay paid | rise rose | run ran | runs ran | say said | says said | see saw | sell sold | send sent |
    shrink shrank | sing sang | sit sat | sleep slept | speak spoke | spend spent | stand stood | swim swam |
    take took | takes took | teach taught | tell told | think thought | wear wore | win won | wins won | write wrote
"""
_REGULAR = (
    "act add allow answer appear ask believe belong call carry cause change consist contain cook cost create "
    "deliver depend describe develop die discover dissolve enter exist form found happen help include increase invent "
    "join kill last live look love move need occur open own play prevent produce protect reduce regulate remain "
    "require rotate serve show sign start stay stop study survive travel treat turn use vote walk want wash work"
)

_IRREGULAR_PLURALS = {
    "child": "children", "man": "men", "woman": "women", "person": "people", "foot": "feet", "tooth": "teeth",
    "mouse": "mice", "goose": "geese", "leaf": "leaves", "life": "lives", "knife": "knives", "wife": "wives",
    "wolf": "wolves", "half": "halves", "bacterium": "bacteria", "criterion": "criteria", "analysis": "analyses",
    "diagnosis": "diagnoses", "crisis": "crises", "cactus": "cacti", "fungus": "fungi",
}  # fmt: skip
_SINGULARS = {plural: singular for singular, plural in _IRREGULAR_PLURALS.items()}


def _past(verb: str) -> str:
    if verb.endswith("e"):
        return verb + "d"
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ied"
    return verb + ("ped" if verb == "stop" else "ed")


def _present_s(verb: str) -> str:
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + ("es" if re.search(r"(s|x|z|ch|sh|o)$", verb) else "s")


def _tenses() -> dict[str, str]:
    pairs = [(now, past) for now, past in map(str.split, _IRREGULAR.split("|"))]
    pairs += [(present, _past(verb)) for verb in _REGULAR.split() for present in (verb, _present_s(verb))]
    table = {past: present for present, past in reversed(pairs)}
    return table | dict(pairs)  # a word that is both, such as "found", is read as a present


TENSES = {now: other for now, other in _tenses().items() if now != other}


@register("tense", family="morphology", expects="invariance", needs_review=True)
def tense(topic: Topic, rng: random.Random) -> Perturbed:
    """One verb, from a list of common ones, changed from present to past tense or back (RoDR)."""
    verbs = [match for match in LETTERS.finditer(topic.text) if match[0].lower() in TENSES]
    if not verbs:
        return Perturbed(topic, topic)
    verb = rng.choice(verbs)
    return edited(topic, [Edit("tense", verb.start(), verb[0], with_case_of(TENSES[verb[0].lower()], verb[0]))])


@register("plural", family="morphology", expects="invariance", needs_review=True)
def plural(topic: Topic, rng: random.Random) -> Perturbed:
    """One word changed from singular to plural or back."""
    spans = eligible(topic.text)
    for start, end in rng.sample(spans, len(spans)):
        word = topic.text[start:end]
        other = other_number(word.lower()) if word.isascii() else None
        if other:
            return edited(topic, [Edit("plural", start, word, with_case_of(other, word))])
    return Perturbed(topic, topic)


def other_number(word: str) -> str | None:
    """Return the plural of a singular or the singular of a plural; None if the rules do not apply."""
    if word in _IRREGULAR_PLURALS or word in _SINGULARS:
        return (_IRREGULAR_PLURALS | _SINGULARS)[word]
    if re.search(r"(ss|us|is|as|ed|ing|ly|ous|[^aeiou]ic|able|ible|est)$", word):
        return None  # most are not countable nouns
    if word.endswith("s"):
        if word.endswith("ies") and len(word) > 4:
            return word[:-3] + "y"
        return word[:-2] if re.search(r"(sses|xes|zes|ches|shes)$", word) else word[:-1]
    return _present_s(word)
