"""Naturality: the same need as keywords, in telegraphic style, or as a polite or verbose request."""

from __future__ import annotations

import random
import re

from instrerank.perturbations.registry import register
from instrerank.perturbations.words import STOP_WORDS, TOKENS, bare, word_set
from instrerank.trec.types import Topic

CARRIERS = word_set(
    "definition define meaning mean means explain describe description tell find give list show information "
    "example examples type types kind kinds vs versus is are was were name called"
)
"""Words that form a question rather than describe its subject."""

TELEGRAPHIC = word_set(
    "a an the is are was were am be been being do does did has have had will would shall should can could may "
    "might must i you we they he she it my your our their his her its this that these those please"
)
"""Articles, auxiliaries and pronouns, which telegraphic style omits."""

POLITE = (
    "please tell me: {q}",
    "could you please help me with this: {q}",
    "i would be grateful for an answer to this: {q}",
    "hello, may i ask: {q}",
    "excuse me, could you tell me the following: {q}",
)
VERBOSE = (
    "i have been wondering about this for quite some time now and would like to know the following: {q}",
    "hello everyone, i am new here and i hope this is the right place to ask my question: {q} thanks in advance",
    "my friend and i were talking about this yesterday and we could not agree, so here is what we ask: {q}",
    "i am looking for reliable and easily understood information that answers the following question: {q}",
    "sorry if this has been asked many times before, but i could not find it anywhere, so: {q}",
)

# (frame, the same need in keywords); only frames whose keywords ask for the same thing
_QUESTIONS = (
    (r"what (?:does|do|did) (.+) mean", r"\1 meaning"),
    (r"what (?:is|are|was|were) (?:an?|the)? ?(?:definition|meaning) of (.+)", r"\1 definition"),
    (r"what causes? (.+)", r"\1 causes"),
    (r"how much (?:does|do|did) (.+) cost", r"\1 cost"),
    (r"how many (.+) (?:are|is|were|was) there(?: in (.+))?", r"number of \1 \2"),
    (r"where (?:is|are|was|were) (.+)", r"\1 location"),
    (r"how (?:do|can|should|would|does) (?:i|you|we|one) (.+)", r"how to \1"),
    (r"(?:what|who) (?:is|are|was|were|'s) (?:an? |the )?(.+)", r"\1"),
)
_KEYWORDS = (
    (r"(?:definition|meaning) (?:of )?(?:an? |the )?(.+)", r"what is the definition of \1?"),
    (r"define:? (?:an? |the )?(.+)", r"what is the definition of \1?"),
    (r"(.+) (?:definition|meaning)", r"what is the definition of \1?"),
    (r"(?:difference|differences) between (.+)", r"what is the difference between \1?"),
    (r"(causes?|symptoms?|types?|benefits?|effects?|cost|price|history|example|examples) of (.+)", r"what \1 of \2"),
    (r"(.+) (causes|symptoms|types|benefits|effects)", r"what are the \2 of \1?"),
    (r"(.+) (cost|price|location|population|capital|history)", r"what is the \2 of \1?"),
)
_PLURALS = word_set("causes symptoms types benefits effects examples")
_QUESTION_WORDS = (
    r"(?:what|what's|whats|who|whose|whom|where|when|why|how|which|is|are|was|were|do|does|did|can|could|will|would|"
    r"should|has|have|had|may|might|am)\b"
)


@register("stopword-removal", family="naturality", expects="invariance", seeded=False)
def stopword_removal(topic: Topic, rng: random.Random) -> str:
    """Lowercased with English stop words removed, unless nothing would be left (Penha 2022, RoDR)."""
    return _without(topic.text.lower(), STOP_WORDS) or topic.text


@register("telegraphic", family="naturality", expects="invariance", seeded=False)
def telegraphic(topic: Topic, rng: random.Random) -> str:
    """Articles, auxiliaries and pronouns removed, question words kept."""
    return _without(topic.text, TELEGRAPHIC) or topic.text


@register("keywords", family="naturality", expects="invariance", seeded=False, needs_review=True)
def keywords(topic: Topic, rng: random.Random) -> str:
    """Only the content words: no stop words, question words, punctuation or repetitions."""
    words = dict.fromkeys(bare(token) for token in topic.text.split())
    kept = [word for word in words if word and word not in STOP_WORDS and word not in CARRIERS]
    return " ".join(kept) or topic.text


def _without(text: str, dropped: frozenset[str]) -> str:
    return " ".join(token for token in TOKENS.findall(text) if bare(token) not in dropped)


@register("polite", family="naturality", expects="invariance")
def polite(topic: Topic, rng: random.Random) -> str:
    """The query embedded in a polite request."""
    return rng.choice(POLITE).format(q=topic.text)


@register("verbose", family="naturality", expects="invariance")
def verbose(topic: Topic, rng: random.Random) -> str:
    """The query embedded in a long-winded request that adds nothing to the need."""
    return rng.choice(VERBOSE).format(q=topic.text)


@register("question-to-keywords", family="naturality", expects="invariance", seeded=False)
def question_to_keywords(topic: Topic, rng: random.Random) -> str:
    """A question of a known form turned into keywords for the same need."""
    text = topic.text.strip().rstrip("?").strip()
    for frame, keyword_form in _QUESTIONS:
        match = re.fullmatch(frame, text, re.IGNORECASE)
        if match:
            return " ".join(match.expand(keyword_form).split())
    return topic.text


@register("keywords-to-question", family="naturality", expects="invariance", seeded=False)
def keywords_to_question(topic: Topic, rng: random.Random) -> str:
    """Keywords turned into a question; questions are left unchanged."""
    text = topic.text.strip().rstrip("?").strip()
    if "?" in topic.text or re.match(_QUESTION_WORDS, text, re.IGNORECASE):
        return topic.text
    for frame, question in _KEYWORDS:
        match = re.fullmatch(frame, text, re.IGNORECASE)
        if match:
            asked = match.expand(question)
            if not asked.endswith("?"):
                asked = f"what {'are' if match[1].lower() in _PLURALS else 'is'} the {asked.removeprefix('what ')}?"
            return asked
    return f"what is there to know about {text}?"
