"""Detecting the kind of a file from its first record, and from its name if that is ambiguous."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, NoReturn, get_args

from instrerank.errors import InputError
from instrerank.files import parse_json, read_lines
from instrerank.trec.lines import json_texts, starts_json
from instrerank.trec.records import DOCIDS, INSTRUCTIONS, NARRATIVES, QIDS, QUERIES, TEXTS, header_of, pick, shown
from instrerank.trec.runs import split_columns

Kind = Literal["run", "qrels", "topics", "instructions", "passages"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_WORDS: dict[Kind, tuple[str, ...]] = {
    "run": ("run",),
    "qrels": ("qrel",),
    "topics": ("topic", "quer"),
    "instructions": ("instruction", "narrative"),
    "passages": ("passage", "corpus", "collection", "docs"),
}

_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")


def kind_of(path: str | Path) -> Kind | None:
    """Return the kind of a file according to its first record, or None if it is empty.

    Raises:
        InputError: the kind is ambiguous or unknown.
    """
    lines = ((number, line) for number, line in read_lines(path) if line.strip())
    number, line = next(lines, (0, ""))
    if not line:
        return None
    if starts_json(line):
        number, text = next(json_texts(chain([(number, line)], lines), path), (number, "[]"))
        return _kind_of_fields(parse_json(text, f"{path}:{number}"), path, number)
    if line.lstrip().startswith("<"):
        return "topics"
    tabs, columns = line.split("\t"), split_columns(line)
    if header_of(columns, QIDS, ("corpus-id", "score")):
        return "qrels"
    # texts contain spaces, so words count as columns only if there are no tabs
    width = len(columns) if len(tabs) in (1, len(columns)) else 0
    if width == 4 and _NUMBER.fullmatch(columns[3]):
        return "qrels"
    if width == 6 and (columns[1] == "Q0" or all(map(_NUMBER.fullmatch, columns[3:5]))):
        return "run"
    if (width > 2 and columns[1] == "Q0") or (width == len(tabs) == 3 and re.fullmatch(r"\d+", columns[2])):
        return "run"
    place = f"{path}:{number}"
    if width == len(tabs) == 3 and _NUMBER.fullmatch(columns[2]):
        return _named(path, ["topics", "run", "qrels"]) or _ask(place, "three columns, the last a number")
    if len(tabs) == 1 and len(columns) > 1 and "," not in columns[0]:
        return _ask(place, f"{len(columns)} columns without tabs")
    return _named(path, ["instructions", "passages"]) or "topics"


def _named(path: str | Path, possible: Sequence[Kind]) -> Kind | None:
    """Return the kind that a file's name suggests, among those that its content allows."""
    name = Path(path).name.lower()
    return next((kind for kind in possible for word in _WORDS[kind] if word in name), None)


def _kind_of_fields(fields: object, path: str | Path, number: int) -> Kind:
    place = f"{path}:{number}"
    if not isinstance(fields, dict):
        raise InputError(f"{place}: expected JSON objects, found {type(fields).__name__} {fields!r:.40}")
    possible: list[Kind] = []
    qid, docid = pick(fields, QIDS) is not None, pick(fields, DOCIDS) is not None
    # `id` and `_id` name both; `contents`, `title` and `text` too
    only_query = any(name in fields for name in ("query", *(set(QIDS) - set(DOCIDS))))
    if qid and pick(fields, QUERIES) is not None:
        possible.append("topics")
    elif qid and pick(fields, (*INSTRUCTIONS, *NARRATIVES)) is not None:
        possible.append("instructions")
    if docid and pick(fields, TEXTS) is not None and not only_query:
        possible.append("passages")
    # `text` of BEIR's queries and of its corpus: only the corpus has titles
    if possible == ["topics", "passages"] and fields.keys() & (set(DOCIDS) - set(QIDS) | {"title"}):
        possible = ["passages"]
    if len(possible) == 1:
        return possible[0]
    return _named(path, possible) or _ask(place, f"an object with {shown(list(fields))}", possible)


def _ask(place: str, what: str, possible: Sequence[Kind] = ()) -> NoReturn:
    could = f"could be {' or '.join(possible)}" if possible else "unknown kind of file"
    raise InputError(f"{place}: {what}: {could}; specify the kind of the file: {', '.join(possible or KINDS)}")
