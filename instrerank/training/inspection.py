"""Rows and batches as the model sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from instrerank.encoders import EncoderProfile
from instrerank.encoders.texts import EncoderText, passage_text, query_alone, query_text
from instrerank.encoders.tokenizing import TextTokenizer
from instrerank.training.rows import Row
from instrerank.training.sampling import Batch, Pair


def too_long(rows: Sequence[Row], profile: EncoderProfile, tokenizer: TextTokenizer) -> tuple[list[Row], int]:
    """Find texts that the model would truncate.

    Returns:
        The rows with a query that, together with its instruction, is longer than `max_query_length`, and the number
        of distinct passages longer than `max_passage_length`.
    """
    pairs = {(triple.query, triple.instruction) for row in rows for triple in row.triples}
    texts = {pair: _query_texts(profile, pair) for pair in pairs}
    cut = _truncated([text for each in texts.values() for text in each], profile.max_query_length, tokenizer)
    long = [
        row
        for row in rows
        if any(text in cut for triple in row.triples for text in texts[triple.query, triple.instruction])
    ]
    passages = {text for row in rows for triple in row.triples for text in (triple.passage, *triple.negatives)}
    built = [passage_text(profile, text) for text in sorted(passages)]
    return long, len(_truncated(built, profile.max_passage_length, tokenizer))


def _truncated(texts: Sequence[EncoderText], length: int, tokenizer: TextTokenizer) -> set[EncoderText]:
    distinct = list(dict.fromkeys(texts))
    return {
        text for text, tokens in zip(distinct, tokenizer.encode(distinct, length), strict=True) if tokens.truncated
    }


def _query_texts(profile: EncoderProfile, pair: Pair) -> list[EncoderText]:
    query, instruction = pair
    if profile.query_encoding == "attention":
        return [query_alone(profile, query)] + [EncoderText(instruction)] * bool(instruction.strip())
    return [query_text(profile, query, instruction)]


def describe_batch(batch: Batch, profile: EncoderProfile, tokenizer: TextTokenizer) -> Iterator[str]:
    """Yield lines with every text and its number of tokens, and the numbers of the candidates of every anchor."""
    anchors = f"{len(batch.queries)} anchors, {len(batch.pairs)} query-side texts, {len(batch.passages)} passages"
    yield f"rows {', '.join(batch.rows)}: {anchors}"
    for at, pair in enumerate(batch.pairs):
        texts = _query_texts(profile, pair)
        yield f"  q{at} {_shown(texts, profile.max_query_length, tokenizer)}"
    for at, text in enumerate(batch.passages):
        yield f"  p{at} {_shown([passage_text(profile, text)], profile.max_passage_length, tokenizer)}"
    for at, (query, passage) in enumerate(zip(batch.queries, batch.positives, strict=True)):
        drawn = [f"{term}: " + " ".join(f"q{each}" for each in draws[at]) for term, draws in batch.drawn.items()]
        misspelt = [f"misspelt: q{batch.misspelt[at]}"] if batch.misspelt and batch.misspelt[at] != query else []
        yield "; ".join([f"  anchor {at}: q{query} → p{passage}", *drawn, *misspelt])
    if batch.hard_negatives:
        yield "  hard negatives of all anchors: " + " ".join(f"p{each}" for each in batch.hard_negatives)


def _shown(texts: Sequence[EncoderText], length: int, tokenizer: TextTokenizer) -> str:
    tokens = tokenizer.encode(texts, length)
    cut = ", cut" if any(each.truncated for each in tokens) else ""
    return f"({sum(len(each.ids) for each in tokens)} tokens{cut}) {' ⊕ '.join(repr(text.text) for text in texts)}"
