"""A published model family: the names and networks it is known by, its licence, and the profile of its models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from instrerank.encoders.families.profiles import EncoderProfile

INSTRUCT = "Instruct: {i}\nQuery: {q}"
INSTRUCT_CLOSE = "Instruct: {i}\nQuery:{q}"
"""The same without the space before the query."""
WEB_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"


class Family(NamedTuple):
    """Models that share a profile.

    Attributes:
        names: pattern of the model's name without its organisation; the whole name must match, ignoring case.
        networks: permitted values of `model_type` in `config.json`; empty if the network exists only as code in the
            model's repository, under whatever type.
        profile: their profile.
        example: id of one of these models on the Hugging Face hub; "" if none was verified.
        licence: licence of the weights as the hub states it; "" if it was not verified.
        instructed: whether these models were trained with free instructions; for others the place of `{i}` is our
            choice.
        whole: whether only the repository's own modules give the vectors, not its network and our pooling.
        tasks: task names of queries and of passages, for those whose modules select weights by task.
    """

    names: str
    networks: tuple[str, ...]
    profile: EncoderProfile
    example: str = ""
    licence: str = ""
    instructed: bool = False
    whole: bool = False
    tasks: tuple[str, str] | None = None


def reads(tokens: int, profile: EncoderProfile, **changes: Any) -> EncoderProfile:
    """Return a profile with one maximum length for queries and passages, and other changes."""
    return replace(profile, max_query_length=tokens, max_passage_length=tokens, **changes)
