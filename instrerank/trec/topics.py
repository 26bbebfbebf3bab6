"""Topics and instructions in TSV, JSON and TREC markup, gzipped or not."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.errors import InputError
from instrerank.files import parse_json, read_lines, whole_file
from instrerank.trec.lines import Lines, WholeText, json_texts, starts_json
from instrerank.trec.markup import NARRATIVES as NARRATIVE_ELEMENTS
from instrerank.trec.markup import parse_markup
from instrerank.trec.problems import Problems
from instrerank.trec.records import (
    DOCIDS,
    GLUED,
    INSTRUCTIONS,
    NARRATIVES,
    QIDS,
    QUERIES,
    VARIANTS,
    columns_of,
    glued,
    header_of,
    is_empty,
    is_id,
    looks_like_header,
    pick,
    shown,
    unfit_id,
)
from instrerank.trec.types import Topic

log = logging.getLogger(__name__)

_MARKUP = re.compile(r"\s*<([?!]|/?[a-z]\w*[\s>])", re.IGNORECASE)
_TOPIC_TAG = re.compile(r"\s*<(top|topic|topics)[\s>]", re.IGNORECASE)


class TopicRow(NamedTuple):
    """One topic of a file, with the line on which it starts."""

    line: int
    topic: Topic


def read_topics(path: str | Path) -> list[Topic]:
    """Read topics in file order.

    The format is detected from the content: TREC markup (the title is the text; narratives are read only by
    `read_instructions`, so that they are used only on request), JSON objects (one per line, or in an array), or else
    TSV with `qid`, `text` and an optional third column `instruction`. docs/formats.md lists all fields.

    Raises:
        InputError: lists the invalid lines: malformed, empty, a duplicate qid, an empty text.
    """
    return [row.topic for row in _sound_rows(path, ())]


def read_instructions(path: str | Path, variant: str | None = None) -> dict[str, str]:
    """Read instructions by qid: TSV `qid<TAB>instruction`, JSON with `instruction` or `narrative`, TREC narratives.

    Args:
        path: the file.
        variant: of several instructions in a record (FollowIR's `instruction_og`, `instruction_changed`, …), the one
            to read: "original", "changed" or "reversed".

    Raises:
        InputError: lists the invalid lines, as `read_topics` does.
    """
    fields = VARIANTS[variant] if variant else (*INSTRUCTIONS, *NARRATIVES)
    return {row.topic.qid: row.topic.instruction for row in _sound_rows(path, fields)}


def write_topics(path: str | Path, topics: Iterable[Topic]) -> None:
    """Write topics as JSONL if the name ends in `.jsonl` (or `.jsonl.gz`), else as TSV.

    Raises:
        InputError: a text contains a tab or a line break, which TSV cannot represent, or the file cannot be written.
    """
    json_lines = Path(path).name.removesuffix(".gz").endswith(".jsonl")
    with whole_file(path) as file:
        for topic in topics:
            if json_lines:
                fields = topic._asdict()
                if not topic.instruction:
                    del fields["instruction"]
                file.write(json.dumps(fields, ensure_ascii=False) + "\n")
            else:
                columns = topic if topic.instruction else topic[:2]
                if any(re.search(r"[\t\n\r]", column) for column in columns):
                    raise InputError(
                        f"topic {topic.qid} contains a tab or a line break, which TSV cannot represent: "
                        f"write JSONL instead (a file name ending in .jsonl)"
                    )
                file.write("\t".join(columns) + "\n")


def _sound_rows(path: str | Path, instructions: Sequence[str]) -> list[TopicRow]:
    problems = Problems(path)
    rows = parse_topics(path, problems, instructions)
    problems.raise_errors()
    for problem in problems.found:
        log.warning(problems.describe(problem))
    return rows


def parse_topics(path: str | Path, problems: Problems, instructions: Sequence[str] = ()) -> list[TopicRow]:
    """Read the rows of a topics or instructions file and record its problems.

    Args:
        path: the file.
        problems: collects the problems found.
        instructions: fields of instructions, one of which every record must have; none: a topics file.
    """
    rows = []
    first_line: dict[str, int] = {}
    what = "instruction" if instructions else "text"
    for row in _parse(path, problems, instructions):
        qid, text, instruction = row.topic
        unfit = unfit_id(qid)
        if unfit:
            problems.add(row.line, f"qid {qid!r:.60} {unfit}")
        elif qid in first_line:
            problems.add(row.line, f"duplicate qid {qid}, first on line {first_line[qid]}")
        elif is_empty(instruction if instructions else text):
            problems.add(row.line, f"qid {qid} has an empty {what}")
        else:
            rows.append(row)
        first_line.setdefault(qid, row.line)
    if not first_line and not problems.errors:
        problems.add(0, "empty file: contains no topics")
    return rows


def _parse(path: str | Path, problems: Problems, instructions: Sequence[str]) -> Iterator[TopicRow]:
    """Yield every row, valid or not, in the format detected from the first lines."""
    lines = ((number, line) for number, line in read_lines(path) if line.strip())
    start = list(islice(lines, 20))
    every = chain(start, lines)
    if start and (_MARKUP.match(start[0][1]) or any(_TOPIC_TAG.match(line) for _, line in start)):
        if instructions and INSTRUCTIONS[0] not in instructions:
            problems.add(0, f"TREC markup has no field {instructions[0]}")
            return iter(())
        return _parse_trec(WholeText(every, path), problems, instructions)
    if start and starts_json(start[0][1]):
        return _parse_json(every, problems, instructions)
    return _parse_tsv(every, problems, instructions)


def _parse_tsv(lines: Lines, problems: Problems, instructions: Sequence[str]) -> Iterator[TopicRow]:
    layout = "qid<TAB>instruction" if instructions else "qid<TAB>text or qid<TAB>text<TAB>instruction"
    lines = iter(lines)
    first = list(islice(lines, 1))
    header = _header(*first[0], problems) if first else None
    if problems.errors:
        return
    for number, line in lines if header else chain(first, lines):
        columns = columns_of(line, header is not None)
        if glued(line):
            problems.add(number, GLUED)
        elif header and len(columns) != len(header):
            problems.add(number, f"{len(columns)} tab-separated columns; the header row has {len(header)}")
        elif header:
            fields = dict(zip(header, columns, strict=True))
            if topic := _topic_of(fields, number, problems, instructions):
                yield TopicRow(number, topic)
        elif len(columns) not in ((2,) if instructions else (2, 3)):
            problems.add(number, f"{len(columns)} tab-separated columns; expected {layout}")
        elif instructions and INSTRUCTIONS[0] not in instructions:
            problems.add_once(0, f"no header row that names a column {instructions[0]}")
        elif instructions:
            yield TopicRow(number, Topic(columns[0], "", columns[1]))
        else:
            yield TopicRow(number, Topic(*columns))


def _header(number: int, line: str, problems: Problems) -> list[str] | None:
    """Return the column names if the first row is a header, and record unusable ones."""
    columns = line.split("\t")
    header = header_of(columns, QIDS, (*QUERIES, *INSTRUCTIONS))
    commas = header_of(line.split(","), QIDS, (*QUERIES, *INSTRUCTIONS))
    if header:
        problems.add(number, f"read as a header row ({shown(header)}), not as a topic", warning=True)
    elif commas:
        problems.add(number, f"comma-separated columns ({shown(commas)}); expected tab-separated columns")
    elif looks_like_header(columns) or header_of(columns, (*QIDS, *DOCIDS), ("score", "corpus-id", *QUERIES)):
        what = f"a header row ({shown(columns)}) without columns named {', '.join(QIDS)} or {', '.join(QUERIES)}"
        problems.add(number, f"{what}: rename the columns or delete the row")
    return header


def _parse_json(lines: Lines, problems: Problems, instructions: Sequence[str]) -> Iterator[TopicRow]:
    for number, text in json_texts(lines, problems.path):
        try:
            fields = parse_json(text, f"{problems.path}:{number}")
        except InputError as error:
            problems.add_error(error)
            continue
        if not isinstance(fields, dict):
            problems.add(number, f"expected a JSON object, found {type(fields).__name__} {fields!r:.40}")
        elif topic := _topic_of(fields, number, problems, instructions):
            yield TopicRow(number, topic)


def _topic_of(fields: dict[str, Any], number: int, problems: Problems, instructions: Sequence[str]) -> Topic | None:
    """Make a topic from named fields, or record what is missing."""
    qid, text = pick(fields, QIDS), pick(fields, QUERIES)
    # a narrative counts only on request, as in TREC topics
    instruction = pick(fields, instructions or INSTRUCTIONS)
    others = [name for name in fields if name.startswith("instruction_")]
    if others and instruction is None and (not instructions or INSTRUCTIONS[0] in instructions):
        what = f"{shown(others)}: ignored because the choice is ambiguous; give one as FILE:{'|'.join(VARIANTS)}"
        problems.add_once(number, what, warning=not instructions)
        if instructions:
            return None
    content = instruction if instructions else text
    if not is_id(qid) or not isinstance(content, str) or not isinstance(instruction, str | None):
        names = instructions or QUERIES
        wrong = [value for value in (content, instruction) if not isinstance(value, str | None)]
        wrong += [qid] if qid is not None and not is_id(qid) else []
        problems.add(
            number,
            f"expected strings: one of {', '.join(QIDS)} and one of {', '.join(names)}"
            f"{'' if instructions else ', and optionally instruction'}; found "
            + (f"the value {wrong[0]!r:.60}" if wrong else shown(list(fields))),
        )
        return None
    return Topic(str(qid), text if isinstance(text, str) else "", instruction or "")


def _parse_trec(whole: WholeText, problems: Problems, instructions: Sequence[str]) -> Iterator[TopicRow]:
    for topic in parse_markup(whole, problems):
        narrative = topic.get(*NARRATIVE_ELEMENTS) if instructions else ""
        if not (narrative if instructions else topic.text):
            what = "instruction (no <narr> or <narrative>)" if instructions else "text (no <title> or <query>)"
            problems.add(topic.line, f"qid {topic.qid} has an empty {what}; its elements: {topic.elements or 'none'}")
        else:
            yield TopicRow(topic.line, Topic(topic.qid, topic.text, narrative))
