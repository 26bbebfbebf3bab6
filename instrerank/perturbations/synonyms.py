"""Synonyms of one word, from a reviewed list or from WordNet.

Automatic synonyms often change the meaning: on DL 2019, annotators accepted 16 of 42 WordNet variants (Penha et al.
2022, 2111.13057), so all of these are marked as needing review.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from typing import Any

from instrerank.errors import MissingPrerequisiteError, pip_install
from instrerank.perturbations.base import Edit, Perturbed, edited
from instrerank.perturbations.registry import register
from instrerank.perturbations.words import eligible, with_case_of
from instrerank.trec.types import Topic

_PAIRS = """
    cost price | costs prices | buy purchase | begin start | begins starts | illness disease | symptoms > signs |
    doctor physician | doctors physicians | medicine medication | medicines medications | automobile > car |
    automobiles > cars | kids children | kid child | attorney lawyer | attorneys lawyers | salary > pay |
    biggest largest | bigger larger | tiny > very small | quickest fastest | rapid > fast | error mistake |
    errors mistakes | houses homes | occupation > job | occupations > jobs | movie film | movies films |
    picture image | pictures images | towns > cities | nation > country | nations countries | famous > well known |
    popular > well liked | founded established | formed > created | constructed > built | difference > distinction |
    differences > distinctions | definition > meaning | define > explain | example > instance | examples > instances
    | type > kind | types kinds | reduce > lessen | permitted > allowed | prohibited forbidden | therapy > treatment
    | therapies > treatments | effects consequences | benefits advantages | drawbacks disadvantages | oceans seas |
    stones > rocks | garments > clothes | employee worker | employees workers | usually normally | frequently often
    | daily > everyday | yearly annual | incorrect wrong | wealthy rich | difficult > hard | simple > easy |
    easiest simplest | hardest toughest | repair > fix | repaired fixed | method technique | methods techniques |
    regulation > rule | regulations > rules | location > place | locations > places | bacteria > germs |
    insect > bug | insects > bugs | dangerous hazardous | poisonous toxic | huge enormous | primary > main |
    principal > main | maximum > highest | minimum > lowest | amount quantity | amounts quantities |
    speed > velocity | choose select | chosen selected | locate > find | discovered > found | invented > devised |
    author writer | authors writers | singer vocalist | journey > trip | journeys > trips | vacation > holiday |
    airplane aircraft | airfield > airport | sofa couch | garbage trash | remedy > cure | remedies > cures |
    forest > woods | lawful legal | unlawful illegal | earnings > income | exams > tests | teacher instructor |
    teachers instructors | pupil > student | pupils > students | happen occur | happens occurs | happened occurred |
    required > needed | requires > needs | uncommon > rare | assist > help | assists > helps |
    durable > long lasting
"""
"""Manually reviewed pairs: either word may replace the other in a query, or (>) only the second the first."""


def _reviewed() -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    for pair in _PAIRS.split("|"):
        one, arrow, other = pair.partition(">") if ">" in pair else pair.strip().partition(" ")
        table.setdefault(one.strip(), []).append(other.strip())
        if arrow == " ":
            table.setdefault(other.strip(), []).append(one.strip())
    return {word: tuple(others) for word, others in table.items()}


REVIEWED = _reviewed()


@register("synonym", family="synonym", expects="invariance", needs_review=True)
def synonym(topic: Topic, rng: random.Random) -> Perturbed:
    """One word replaced by a synonym from the reviewed list."""
    return replace_word(topic, rng, lambda word: REVIEWED.get(word, ()), "synonym")


def replace_word(topic: Topic, rng: random.Random, synonyms: Callable[[str], Sequence[str]], kind: str) -> Perturbed:
    """Replace one occurrence of one eligible word that has synonyms (passed and returned in lower case)."""
    spans = eligible(topic.text)
    for start, end in rng.sample(spans, len(spans)):
        word = topic.text[start:end]
        others = synonyms(word.lower())
        if others:
            return edited(topic, [Edit(kind, start, word, with_case_of(rng.choice(others), word))])
    return Perturbed(topic, topic)


@register(
    "synonym-wordnet", family="synonym", expects="invariance", needs_review=True, needs="nltk with WordNet's data"
)
def synonym_wordnet(topic: Topic, rng: random.Random) -> Perturbed:
    """One word replaced by another lemma of its first WordNet sense, in base form (needs nltk)."""
    return replace_word(topic, rng, _first_sense, "synonym-wordnet")


@functools.lru_cache(maxsize=100_000)
def _first_sense(word: str) -> tuple[str, ...]:
    wordnet = _wordnet()
    senses = wordnet.synsets(word)
    if not senses:
        return ()
    # WordNet has base forms only: that of the word itself is not a synonym
    own = {word, wordnet.morphy(word, senses[0].pos())}
    lemmas = (lemma.replace("_", " ").lower() for lemma in senses[0].lemma_names())
    return tuple(dict.fromkeys(lemma for lemma in lemmas if lemma not in own))


@functools.cache
def _wordnet() -> Any:
    try:
        from nltk.corpus import wordnet

        wordnet.ensure_loaded()
    except (ImportError, LookupError, OSError) as error:  # OSError: a part of the data is missing
        raise MissingPrerequisiteError(
            f"synonym-wordnet needs nltk and its WordNet data: {pip_install('wordnet')} && "
            "python -m nltk.downloader wordnet"
        ) from error
    return wordnet
