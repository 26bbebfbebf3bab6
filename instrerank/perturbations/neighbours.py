"""Synonyms according to an encoder: similar words that also keep the query similar."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from instrerank.errors import InputError
from instrerank.files import read_lines
from instrerank.perturbations.base import Edit, Perturbed, edited
from instrerank.perturbations.registry import register
from instrerank.perturbations.synonyms import REVIEWED
from instrerank.perturbations.words import eligible, with_case_of
from instrerank.trec.types import Topic

if TYPE_CHECKING:
    from instrerank.encoders import Encoder

_PER_WORD = 5
"""Number of neighbours of a word to try in the query."""


@register(
    "synonym-neighbour",
    family="synonym",
    expects="invariance",
    needs_review=True,
    needs="an encoder (encoder=NAME)",
    over_topics=True,
)
def synonym_neighbour(
    topics: Sequence[Topic], seed: int, *, encoder: str, floor: float = 0.8, words: str = ""
) -> Callable[[Topic, random.Random], Perturbed]:
    """One word replaced by a neighbour under an encoder, if the query keeps a cosine of at least `floor`.

    Neighbours come from a list with one word per line (`words=FILE`), or else from the topics and reviewed synonyms.
    """
    if not -1 <= floor < 1:
        raise InputError(f"`floor` must be a cosine of at least -1 and less than 1, got {floor:g}")
    texts = {topic.text for topic in topics}
    if words:
        vocabulary = {line.strip().lower() for _, line in read_lines(words)} - {""}
    else:
        vocabulary = {text[start:end].lower() for text in texts for start, end in eligible(text)} | REVIEWED.keys()
    swaps = near_swaps(_loaded(encoder), sorted(texts), sorted(vocabulary), floor)

    def replace(topic: Topic, rng: random.Random) -> Perturbed:
        found = swaps[topic.text]
        return edited(topic, [rng.choice(found)]) if found else Perturbed(topic, topic)

    return replace


@functools.cache
def _loaded(name: str) -> Encoder:
    from instrerank.encoders import load_encoder

    return load_encoder(name)


def near_swaps(
    encoder: Encoder, texts: Sequence[str], vocabulary: Sequence[str], floor: float
) -> dict[str, list[Edit]]:
    """Return by text all swaps of a word for one of its five nearest that keep the text's cosine >= `floor`."""
    spans = {text: eligible(text) for text in texts}
    own = sorted({text[start:end].lower() for text in texts for start, end in spans[text]})
    if not own:
        return {text: [] for text in texts}
    cosines = encoder.encode_queries(own).vectors @ encoder.encode_queries(vocabulary).vectors.T
    near: dict[str, list[str]] = {}
    for word, row in zip(own, cosines, strict=True):
        order = np.argsort(-row, kind="stable")[: _PER_WORD + 1].tolist()
        near[word] = [vocabulary[at] for at in order if vocabulary[at] != word][:_PER_WORD]
    swaps = [
        (text, Edit("synonym-neighbour", start, text[start:end], with_case_of(other, text[start:end])))
        for text in texts
        for start, end in spans[text]
        for other in near[text[start:end].lower()]
    ]
    changed = [edit.applied_to(Topic("", text)).text for text, edit in swaps]
    clean = dict(zip(texts, encoder.encode_queries(texts).vectors, strict=True))
    kept: dict[str, list[Edit]] = {text: [] for text in texts}
    for (text, edit), vector in zip(swaps, encoder.encode_queries(changed).vectors if changed else (), strict=True):
        if float(vector @ clean[text]) >= floor:
            kept[text].append(edit)
    return kept
