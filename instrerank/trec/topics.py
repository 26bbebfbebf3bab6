"""Topics and instructions: TSV, JSONL and TREC `<top>` files, gzipped or not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from instrerank.errors import InputError
from instrerank.files import read_lines, whole_file
from instrerank.trec.problems import Problems
from instrerank.trec.types import Topic

_QID_FIELDS = ("qid", "id", "_id", "request_id")
_TEXT_FIELDS = ("text", "query", "title", "narrative")
_INSTRUCTION_FIELDS = ("instruction", "narrative")


class TopicRow(NamedTuple):
    """One topic of a file, with the line on which it begins."""

    line: int
    topic: Topic


def read_topics(path: str | Path) -> list[Topic]:
    """Read topics in file order.

    The content tells the format: TREC `<top>` blocks (the title is the text; the narrative is left to
    `read_instructions`, so that it is used only when asked for), JSON objects one a line (`qid`/`id`/`_id`/
    `request_id`, `text`/`query`/`title`/`narrative`, `instruction`), else TSV of `qid`, `text` and, where there is
    a third column, `instruction`.

    Raises:
        InputError: what is wrong with which lines: unreadable, empty, a duplicate qid, an empty text.
    """
    problems = Problems(path)
    rows = parse_topics(path, problems)
    problems.raise_errors()
    return [row.topic for row in rows]


def read_instructions(path: str | Path) -> dict[str, str]:
    """Read instructions by qid: TSV `qid<TAB>instruction`, JSONL with `instruction` or `narrative`, TREC narratives.

    Raises:
        InputError: what is wrong with which lines, as for `read_topics`.
    """
    problems = Problems(path)
    rows = parse_topics(path, problems, instructions_only=True)
    problems.raise_errors()
    return {row.topic.qid: row.topic.instruction for row in rows}


def write_topics(path: str | Path, topics: Iterable[Topic]) -> None:
    """Write topics: JSONL where the name ends in `.jsonl` (or `.jsonl.gz`), else TSV.

    Raises:
        InputError: a text holds a tab or a line break, which TSV cannot bear, or the file cannot be written.
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
                        f"topic {topic.qid} holds a tab or a line break, which TSV cannot bear: "
                        f"write JSONL instead (a name that ends in .jsonl)"
                    )
                file.write("\t".join(columns) + "\n")


def parse_topics(path: str | Path, problems: Problems, *, instructions_only: bool = False) -> list[TopicRow]:
    """Read the rows of a topics file, or of an instructions file, and note what is wrong with it."""
    lines = [(number, line) for number, line in read_lines(path) if line.strip()]
    if not lines:
        problems.add(0, "empty file: no topic in it")
        return []
    start = lines[0][1].lstrip()
    parse: Callable[[list[tuple[int, str]], Problems, bool], Iterator[TopicRow]]
    parse = _parse_trec if start.startswith("<") else _parse_jsonl if start.startswith("{") else _parse_tsv
    rows = []
    first_line: dict[str, int] = {}
    for row in parse(lines, problems, instructions_only):
        qid, text, instruction = row.topic
        what, content = ("instruction", instruction) if instructions_only else ("text", text)
        if not qid or re.search(r"\s", qid):
            problems.add(row.line, f"qid {qid!r}: it must be there and hold no blank, or runs cannot name it")
        elif qid in first_line:
            problems.add(row.line, f"duplicate qid {qid}, first on line {first_line[qid]}")
        elif not content.strip():
            problems.add(row.line, f"qid {qid} has an empty {what}")
        else:
            rows.append(row)
        first_line.setdefault(qid, row.line)
    return rows


def _parse_tsv(lines: list[tuple[int, str]], problems: Problems, instructions_only: bool) -> Iterator[TopicRow]:
    allowed = (2,) if instructions_only else (2, 3)
    for number, line in lines:
        columns = line.split("\t")
        if len(columns) not in allowed:
            wanted = "qid<TAB>instruction" if instructions_only else "qid<TAB>text, and maybe <TAB>instruction"
            problems.add(number, f"{len(columns)} tab-separated columns; wanted {wanted}")
        elif instructions_only:
            yield TopicRow(number, Topic(columns[0], "", columns[1]))
        else:
            yield TopicRow(number, Topic(*columns))


def _parse_jsonl(lines: list[tuple[int, str]], problems: Problems, instructions_only: bool) -> Iterator[TopicRow]:
    for number, line in lines:
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            problems.add(number, f"not JSON: {error.msg} at column {error.colno}")
            continue
        if not isinstance(fields, dict):
            problems.add(number, "wanted a JSON object")
            continue
        qid = next((fields[name] for name in _QID_FIELDS if name in fields), None)
        text = next((fields[name] for name in _TEXT_FIELDS if name in fields), "")
        # a narrative counts only where it is asked for, as in TREC's own topics
        names = _INSTRUCTION_FIELDS if instructions_only else _INSTRUCTION_FIELDS[:1]
        instruction = next((fields[name] for name in names if name in fields), "")
        if not isinstance(qid, str | int) or not isinstance(text, str) or not isinstance(instruction, str):
            problems.add(number, 'wanted {"qid": …, "text": …, "instruction": …} with strings')
            continue
        yield TopicRow(number, Topic(str(qid), text, instruction))


def _parse_trec(lines: list[tuple[int, str]], problems: Problems, instructions_only: bool) -> Iterator[TopicRow]:
    block: list[str] = []
    begins = 0
    for number, line in lines:
        if line.strip().lower() == "<top>":
            if begins:
                problems.add(begins, "<top> without </top>")
            begins, block = number, []
        elif line.strip().lower() == "</top>":
            fields = _trec_fields("\n".join(block))
            narrative = fields.get("narr", "") if instructions_only else ""
            yield TopicRow(begins, Topic(fields.get("num", ""), fields.get("title", ""), narrative))
            begins = 0
        else:
            block.append(line)
    if begins:
        problems.add(begins, "<top> without </top>")


def _trec_fields(block: str) -> dict[str, str]:
    """Return the fields of one `<top>` block, without TREC's labels (`Number:`) and closing tags."""
    parts = re.split(r"<(num|title|desc|narr)>", block, flags=re.IGNORECASE)
    labels = r"^\s*(number|topic|description|narrative)\s*:"
    fields = {}
    for name, content in zip(parts[1::2], parts[2::2], strict=True):
        content = re.sub(r"</\w+>", " ", content)
        fields[name.lower()] = " ".join(re.sub(labels, "", content, flags=re.IGNORECASE).split())
    return fields
