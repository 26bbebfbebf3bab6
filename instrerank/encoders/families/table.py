"""All known model families, and which of them a model belongs to."""

from __future__ import annotations

import re
from typing import Any

from instrerank.encoders.families.family import Family
from instrerank.encoders.families.known_code import OWN_CODE
from instrerank.encoders.families.known_decoders import DECODERS
from instrerank.encoders.families.known_encoders import ENCODERS
from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.locate import base_name

FAMILIES: tuple[Family, ...] = ENCODERS + DECODERS + OWN_CODE
"""The first that matches name and network applies."""


def match_family(name: str, config: dict[str, Any]) -> EncoderProfile | None:
    """Return the profile of a published model, or None if name or network is unknown.

    Args:
        name: model id or folder; a folder in the hub's cache counts as its id.
        config: the model's `config.json`.
    """
    base = base_name(name)
    for family in FAMILIES:
        known = not family.networks or config.get("model_type") in family.networks
        if known and re.fullmatch(family.names, base):
            return family.profile
    return None


def family_of(profile: EncoderProfile) -> Family | None:
    """Return the family that a profile comes from; None if it comes from a folder or from options."""
    return next((family for family in FAMILIES if family.profile.family == profile.family), None)
