"""What `encoders` found, as text and as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from instrerank.jobs.encoders import KnownFamily, Reading, TextRead
from instrerank.jobs.rerankers import KnownReranker, RerankerReading
from instrerank.tables import render


def as_data(reading: Any) -> Any:
    """Return a reading as JSON has it: named tuples and dataclasses as objects."""
    if isinstance(reading, tuple) and hasattr(reading, "_asdict"):
        return {name: as_data(value) for name, value in reading._asdict().items()}
    if is_dataclass(reading) and not isinstance(reading, type):
        return asdict(reading)
    return [as_data(each) for each in reading] if isinstance(reading, list | tuple) else reading


def known_as_text(families: Sequence[KnownFamily], rerankers: Sequence[KnownReranker]) -> str:
    """Return the tables of known encoders and rerankers, each if there are any."""
    tables = [_families(families)] if families else []
    return "\n\n".join([*tables, *([_rerankers(rerankers)] if rerankers else [])])


def _families(families: Sequence[KnownFamily]) -> str:
    rows = [
        {
            "family": each.family,
            "query": repr(each.query),
            "passage": repr(each.passage),
            "pooling": each.pooling,
            "instruction": each.instruction,
            "licence": each.licence or "not verified",
            "own code": "yes" if each.remote_code else "no",
            "example": each.example or None,
            "names": each.names,
        }
        for each in families
    ]
    return (
        render(list(rows[0]), [list(row.values()) for row in rows], "table")
        + "\n\ninstruction: trained, or appended where the family was not trained with free instructions"
        + "\nown code: whether `trust_remote_code` is needed; names: pattern of the models' names"
    )


def _rerankers(rerankers: Sequence[KnownReranker]) -> str:
    rows = [
        {
            "reranker": each.family,
            "prompt": repr(each.prompt),
            "answers": f"{each.true}, {each.false}" if each.false else each.true,
            "instruction": each.instruction,
            "licence": each.licence or "not verified",
            "example": each.example,
            "names": each.names,
        }
        for each in rerankers
    ]
    return (
        render(list(rows[0]), [list(row.values()) for row in rows], "table")
        + "\n\nrerankers read query and passage together: `kind` pointwise-llm, `prompt` NAME for other models"
    )


def reranker_as_text(reading: RerankerReading) -> str:
    """Return what a reranker reads, token by token."""
    prompt = reading.prompt
    lines = [
        f"{reading.model}: {prompt.family}, a pointwise reranker",
        f"source: {prompt.source}" if prompt.source else "",
        f"prompt: {prompt.template!r}",
        f"answers: {prompt.true!r}, {prompt.false!r}" if prompt.false else f"answer: {prompt.true!r}",
        f"default instruction: {prompt.default_instruction!r}" if prompt.default_instruction else "",
        *(f"note: {note}" for note in reading.notes),
    ]
    return "\n".join([*filter(None, lines), *(_text(text) for text in reading.texts)])


def encoder_as_text(reading: Reading) -> str:
    """Return what an encoder reads, token by token."""
    profile = reading.profile
    kind = f"{'+'.join(profile.pooling_modes)} pooling, {'cosine' if profile.normalize else 'dot product'}"
    lines = [
        f"{reading.model}: {profile.family}, {kind}",
        f"profile: {reading.origin}",
        *([f"overridden: {', '.join(reading.overridden)}"] if reading.overridden else []),
        *([f"licence: {reading.licence}"] if reading.licence else []),
        f"query template: {profile.query_template!r}",
        f"passage template: {profile.passage_template!r}",
        f"default instruction: {profile.default_instruction!r}" if profile.default_instruction else "",
        *(f"note: {note}" for note in reading.notes),
    ]
    return "\n".join([*filter(None, lines), *(_text(text) for text in reading.texts)])


def _text(text: TextRead) -> str:
    tokens = " ".join(f"‹{token.token}›" if token.special else token.token for token in text.tokens)
    unpooled = sum(not token.pooled for token in text.tokens)
    said = [f"{len(text.tokens)} tokens of at most {text.max_length}"]
    said += [f"the first {unpooled} not pooled"] if unpooled else []
    said += [f"TRUNCATED: {text.tokens_lost} tokens lost, {text.lost!r}"] if text.tokens_lost else []
    return f"\n{text.what}: {text.text!r}\n  {tokens}\n  {'; '.join(said)}"
