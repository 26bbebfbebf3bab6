"""Perturbations of queries, instructions and passages, and black-box attacks on an encoder."""

from instrerank.perturbations import (
    injection,
    instructions,
    llm,
    meaning,
    morphology,
    naturality,
    neighbours,
    noise,
    ordering,
    paraphrases,
    surface,
    synonyms,
    typos,
)
from instrerank.perturbations.base import Description, Edit, Perturbation, Perturbed, edited, generator, rewritten
from instrerank.perturbations.querysets import QuerySet, perturb, query_set, write_query_set
from instrerank.perturbations.registry import describe, names, register, resolve, resolve_all

FAMILIES = (
    typos,
    naturality,
    neighbours,
    ordering,
    synonyms,
    paraphrases,
    morphology,
    surface,
    noise,
    meaning,
    injection,
    instructions,
    llm,
)
"""Modules that register our own perturbations when imported."""

__all__ = [
    "FAMILIES",
    "Description",
    "Edit",
    "Perturbation",
    "Perturbed",
    "QuerySet",
    "describe",
    "edited",
    "generator",
    "names",
    "perturb",
    "query_set",
    "register",
    "resolve",
    "resolve_all",
    "rewritten",
    "write_query_set",
]
