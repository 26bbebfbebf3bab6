"""The inputs of a training run: the base model's files, and rows that fit it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import open_passages
from instrerank.collections.loaded import is_name
from instrerank.encoders.loading import ModelFiles, find_model
from instrerank.encoders.locate import usable_settings
from instrerank.encoders.options import LoadOptions
from instrerank.encoders.tokenizing import TextTokenizer, load_tokenizer
from instrerank.errors import InputError
from instrerank.training.inspection import too_long
from instrerank.training.rows import Row, as_rows, constraint_rows, read_rows
from instrerank.trec.problems import counted, listed

log = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """The inputs of a training run, read and checked.

    Attributes:
        files: files of the base model, with the profile to train with.
        tokenizer: tokenizer of the base model.
        sources: each source of data with its rows.
        rows: all rows to train on.
    """

    files: ModelFiles
    tokenizer: TextTokenizer
    sources: list[tuple[Any, list[Row]]]
    rows: list[Row]

    @property
    def triples(self) -> int:
        """The number of triples in the rows."""
        return sum(len(row.triples) for row in self.rows)


def read_training_data(
    sources: Sequence[Any], encoder: str | Path, load: LoadOptions, *, passages: Any, policy: str
) -> Prepared:
    """Find the base model, and read and check the rows.

    Args:
        sources: names of rows, or rows in memory.
        encoder: the base model.
        load: how it reads its texts.
        passages: for folders of `constrain`, as `instrerank.open_passages` takes them; None: there are none.
        policy: for rows whose query is too long: "error", "skip" or "truncate".

    Raises:
        InputError: no such model, bad rows, or rows that are too long.
    """
    with usable_settings(encoder):
        files = find_model(encoder, load)
    read = [(source, _read(source, passages)) for source in sources]
    tokenizer = load_tokenizer(files.tokenizer, files.profile)
    rows = _of_good_length([row for _, each in read for row in each], files, tokenizer, policy)
    ready = Prepared(files, tokenizer, read, rows)
    log.info(f"{counted(len(rows), 'row')}, {counted(ready.triples, 'triple')}")
    return ready


def _read(source: Any, passages: Any) -> list[Row]:
    if not is_name(source):
        return as_rows(source)
    if not Path(source).is_dir():
        return read_rows(source)
    if passages is None:
        raise InputError(f"{source} refers to passages by docid: give their texts by `corpus` or `index`")
    return constraint_rows(source, open_passages(passages).lookup)


def _of_good_length(rows: list[Row], files: ModelFiles, tokenizer: TextTokenizer, policy: str) -> list[Row]:
    long, passages = too_long(rows, files.profile, tokenizer)
    if passages:
        log.warning(f"truncated {counted(passages, 'passage')} to {files.profile.max_passage_length} tokens")
    if not long:
        return rows
    names = listed([row.name for row in long])
    limit = files.profile.max_query_length
    what = f"{counted(len(long), 'row')} with a query and instruction over {limit} tokens: {names}"
    if policy == "error":
        raise InputError(f"{what}; raise `max_query_length`, or set `too_long` to skip or truncate")
    log.warning(f"{what}; {'left out' if policy == 'skip' else 'truncated'}")
    if policy == "truncate":
        return rows
    left_out = set(long)
    kept = [row for row in rows if row not in left_out]
    if not kept:
        raise InputError("no rows are left to train on")
    return kept
