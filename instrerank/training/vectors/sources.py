"""The texts that a recipe names: passages, queries that people asked or that are made, and neutral instructions."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple

from instrerank.collections import load_topics, open_passages
from instrerank.errors import InputError
from instrerank.files import parse_json, read_lines
from instrerank.perturbations import generator
from instrerank.training.vectors.questions import question, sentence
from instrerank.training.vectors.recipe import Recipe
from instrerank.trec import Topic

_LEAST_PASSAGES = 100
"""Below this, rules and nearest passages mean nothing."""
_TRIES = 20
"""Passages tried for each query that is to be made."""


class Sources(NamedTuple):
    """Texts to train on.

    Attributes:
        passages: distinct texts.
        queries: those that people asked first, then those made of passages.
        asked: how many people asked.
        neutral: instructions that ask for nothing more than their query, with the number of that query.
    """

    passages: list[str]
    queries: list[str]
    asked: int
    neutral: list[tuple[int, str]]


def read_sources(recipe: Recipe, data: Path) -> Sources:
    """Read what a recipe names, below the folder `data`.

    Raises:
        InputError: a file is missing or is not what the recipe says, or there is too little text.
    """
    passages = _passages(recipe, data)
    if len(passages) < _LEAST_PASSAGES:
        raise InputError(f"{len(passages)} passages are too few: the recipe needs at least {_LEAST_PASSAGES}")
    queries = list(dict.fromkeys(topic.text for topic in split_topics(recipe, data)[1]))
    number = {query: at for at, query in enumerate(queries)}
    asked, rng = len(queries), random.Random(recipe.seed)
    for _ in range(_TRIES * recipe.made_queries):
        if len(queries) == asked + recipe.made_queries:
            break
        whole = recipe.sentences and rng.random() < recipe.sentences
        made = (sentence if whole else question)(rng.choice(passages), rng)
        queries += [made] if made else []
    return Sources(passages, queries, asked, _neutral(recipe, data, number))


def split_topics(recipe: Recipe, data: Path) -> tuple[list[Topic], list[Topic]]:
    """Return the topics kept apart, and those to train on.

    Raises:
        InputError: a file is missing, or there are no topics to train on.
    """
    first, *others = [load_topics(_found(data, name)) for name in recipe.topics]
    first = generator(recipe.seed, "split", "").sample(first, len(first))
    training = [*first[recipe.apart :], *(topic for topics in others for topic in topics)]
    if not training:
        raise InputError(f"no topics are left to train on: `apart` is {recipe.apart}")
    return first[: recipe.apart], training


def _passages(recipe: Recipe, data: Path) -> list[str]:
    left_out = {each.docid for name in recipe.leave_out for each in open_passages(_found(data, name))}
    read = [each for name in recipe.passages for each in open_passages(_found(data, name))]
    return list(dict.fromkeys(each.text for each in read if each.docid not in left_out and each.text.strip()))


def _neutral(recipe: Recipe, data: Path, number: dict[str, int]) -> list[tuple[int, str]]:
    if recipe.instructions is None:
        return []
    path, found = _found(data, recipe.instructions), []
    for line, text in read_lines(path):
        record = parse_json(text, f"{path}:{line}")
        try:
            query, instruction = record["query"], record["instruction"]
        except (TypeError, KeyError) as error:
            raise InputError(f"{path}:{line}: expected an object with query and instruction") from error
        if query in number:
            found.append((number[query], str(instruction)))
    return found


def _found(data: Path, name: str) -> Path:
    path = data / name
    if not path.exists():
        raise InputError(
            f"the recipe's {name} is not in {data}: put it there, or change the recipe "
            "(docs/train.md says where each collection comes from)"
        )
    return path
