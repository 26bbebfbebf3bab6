"""The schema of ir_metadata 0.1: the checklists of https://www.ir-metadata.org, which has no machine-readable one.

`platform` of the operating system is what repro_eval, its own tool, writes there.
"""

from __future__ import annotations

from typing import Any

SCALAR = {"type": ["string", "number", "boolean"]}
SCALARS = {"type": "array", "items": SCALAR}
MAPPINGS = {"type": "array", "items": {"type": "object", "required": ["name"]}}
"""Mappings with a name and settings of any kind, as the page's own example of retrieval stages has them."""


def mapping(**fields: Any) -> dict[str, Any]:
    """Return the schema of a mapping of these fields, whose names have spaces for underscores, and of no others."""
    properties = {name.replace("_", " "): schema for name, schema in fields.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


PLATFORM = mapping(
    hardware=mapping(
        cpu=mapping(model=SCALAR, architecture=SCALAR, operation_mode=SCALAR, number_of_cores=SCALAR),
        gpu=mapping(architecture=SCALAR, number_of_cores=SCALAR, ram=SCALAR),
        ram=SCALAR,
    ),
    operating_system=mapping(platform=SCALAR, kernel=SCALAR, distribution=SCALAR),
    software=mapping(
        libraries={"type": "object", "additionalProperties": SCALARS},  # by programming language
        retrieval_toolkit=SCALARS,
    ),
)
RESEARCH_GOAL = mapping(
    venue=mapping(name=SCALAR, year=SCALAR),
    publication=mapping(dblp=SCALAR, doi=SCALAR, arxiv=SCALAR, url=SCALAR, abstract=SCALAR),
    evaluation=mapping(reported_measures=SCALARS, baseline=SCALARS, significance_test=MAPPINGS),
)
IMPLEMENTATION = mapping(
    executable=mapping(cmd=SCALAR), source=mapping(lang=SCALARS, repository=SCALAR, commit=SCALAR)
)
METHOD = mapping(
    automatic={"type": "boolean"},
    score_ties=SCALAR,
    indexing=mapping(tokenizer=SCALAR, stemmer=SCALAR, stopwords=SCALAR),
    retrieval=MAPPINGS,
)
ACTOR = mapping(
    **dict.fromkeys(("name", "orcid", "team", "mail", "degree", "github", "twitter"), SCALAR),
    fields=SCALARS,
    role={"enum": ["experimenter", "reproducer"]},
)
COLLECTION = mapping(name=SCALAR, source=SCALAR, qrels=SCALAR, topics=SCALAR)
COLLECTION["properties"]["ir_datasets"] = SCALAR
DATA = mapping(
    test_collection=COLLECTION,
    training_data=MAPPINGS,
    other=MAPPINGS,
)

SECTIONS = {
    "schema-version": {"const": 0.1},
    "run-version": {"type": "number"},
    "tag": {"type": "string"},
    "platform": PLATFORM,
    "research goal": RESEARCH_GOAL,
    "implementation": IMPLEMENTATION,
    "method": METHOD,
    "actor": ACTOR,
    "data": DATA,
}
SCHEMA = {
    "type": "object",
    "properties": {**SECTIONS, "run": {"type": "object"}},  # `run` is ours: counts, times, hashes
    "required": [*SECTIONS],
    "additionalProperties": False,
}
