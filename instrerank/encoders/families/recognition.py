"""Which family a folder belongs to, and what counts where the two contradict each other: the folder's own word."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.encoders.families.layouts import Layout
from instrerank.encoders.families.profiles import OWN_CODE, EncoderProfile
from instrerank.encoders.families.table import FAMILIES
from instrerank.encoders.locate import read_json, shown_name
from instrerank.errors import InstrerankWarning

_PLAIN = EncoderProfile("", "mean")


class Resemblance(NamedTuple):
    """A family that a model may belong to.

    Attributes:
        profile: the family's.
        found_in: where it was found, for messages.
    """

    profile: EncoderProfile
    found_in: str


def resemblance(names: Sequence[str], config: dict[str, Any]) -> Resemblance | None:
    """Return the family that part of a name, or `_name_or_path` in config.json, points to; None if there is none.

    Renamed copies, fine-tunes and quantised versions look alike, so it is only ever a hint.
    """
    made_from = config.get("_name_or_path")
    places = [(Path(name).name, f"the name {Path(name).name}") for name in names]
    places += [(Path(made_from).name, f"{made_from} in config.json")] if isinstance(made_from, str) else []
    best, longest = None, 0
    for name, found_in in places:
        for family in FAMILIES:
            part = re.search(rf"(?<![a-z0-9])(?:{family.names})(?![a-z0-9])", name.lower())
            known = not family.networks or config.get("model_type") in family.networks
            if part and known and len(part[0]) > longest:
                best, longest = Resemblance(family.profile, found_in), len(part[0])
    return best


def warn_of_resemblance(name: str, used: EncoderProfile, like: Resemblance | None) -> None:
    """Warn if a model reads its texts plainly though its family reads prefixes."""
    plain = (used.query_template, used.passage_template) == (_PLAIN.query_template, _PLAIN.passage_template)
    if like is None or not plain:
        return
    query, passage = like.profile.query_template, like.profile.passage_template
    if (query, passage) != (used.query_template, used.passage_template):
        warnings.warn(
            f"{name} may be a model of the family {like.profile.family} ({like.found_in}), which reads queries as "
            f"{query!r} and passages as {passage!r}; its folder stores no prompts, so none is read. If it is "
            "one, give these as `query_template` and `passage_template`",
            InstrerankWarning,
            stacklevel=2,
        )


def reconciled(family: EncoderProfile, folder: Path, layout: Layout, said: EncoderProfile) -> EncoderProfile:
    """Return a published family's profile with what its folder says otherwise, and warn of each contradiction.

    Args:
        family: profile of the family.
        folder: the model's folder.
        layout: its modules.
        said: profile of the folder alone (see `layout_profile`). What it does not mention is the family's: many
            published folders store no prompts, and one that names no similarity does not mean cosines.
    """
    changes: dict[str, Any] = {}
    if said.query_template != _PLAIN.query_template and _beginning(said.query_template) != _beginning(
        family.query_template
    ):
        names = ("query_template", "query_only_template", "default_instruction")
        changes |= {name: getattr(said, name) for name in names}
    elif said.query_template == family.query_template and said.default_instruction:
        changes["default_instruction"] = said.default_instruction
    if said.passage_template not in (_PLAIN.passage_template, family.passage_template):
        changes["passage_template"] = said.passage_template
    if said.pooling_modes not in ((OWN_CODE,), family.pooling_modes):
        changes["pooling"] = said.pooling
    config = read_json(folder / "config_sentence_transformers.json")
    if (config.get("similarity_fn_name") or layout.folders("Normalize")) and said.normalize != family.normalize:
        changes["normalize"] = said.normalize
    states = [read_json(place / "config.json") for place in layout.folders("Pooling")]
    if any("include_prompt" in state for state in states) and said.pool_prefix != family.pool_prefix:
        changes["pool_prefix"] = said.pool_prefix
    shown = {
        "query_template": "query prompt",
        "passage_template": "passage prompt",
        "pooling": "pooling",
        "normalize": "normalisation",
        "pool_prefix": "pooling of prompts",
    }
    for name, what in shown.items():
        if name in changes:
            own, usual = getattr(said, name), getattr(family, name)
            warnings.warn(
                f"{shown_name(folder)}: its {what} {own!r} is used; the family {family.family} has {usual!r}",
                InstrerankWarning,
                stacklevel=2,
            )
    source = f"{family.source}; the folder's own {', '.join(changes)}" if changes else family.source
    return replace(
        family,
        **changes,
        max_query_length=min(family.max_query_length, said.max_query_length),
        max_passage_length=min(family.max_passage_length, said.max_passage_length),
        remote_code=family.remote_code or said.remote_code,
        source=source,
    )


def _beginning(template: str) -> str:
    """Return what comes before the query, without the instruction: families differ behind it from what is stored."""
    return template.partition("{q}")[0]
