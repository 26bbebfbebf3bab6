"""Names of JSON fields and TSV columns that collections use for ids, texts and instructions.

docs/formats.md shows these tables; the first name that is present and not null is used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

QIDS = ("qid", "query_id", "query-id", "id", "_id", "request_id", "topic_id", "number")
QUERIES = ("text", "query", "problem_statement", "title", "contents", "narrative")
INSTRUCTIONS = ("instruction",)
NARRATIVES = ("narrative", "background")
"""Fields that also count as instructions when reading an instructions file."""
VARIANTS = {
    "original": ("instruction_og",),
    "changed": ("instruction_changed",),
    "reversed": ("instruction_reversed",),
}
"""Fields of one of several instructions in a record, as in the files of FollowIR and InfoSearch."""

DOCIDS = ("pid", "docid", "id", "_id", "docno", "doc_id")
TEXTS = ("contents", "text", "passage", "segment", "body", "content")
TITLES = ("title",)

_ANY_ID = re.compile(
    r"(?i:(.*[\s_.-])?(id|qid|pid|docid|docno|number|num|no)|topic|query|doc|document|passage|key|index)|\w*[a-z]Id"
)
_NAME = re.compile(r"[A-Za-z_][\w .-]{0,40}")
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufeff\ud800-\udfff]")
_INVISIBLE = ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")
_GLUED = re.compile("[\ufeff\r][^\\s\ufeff]+\t")
GLUED = "two records on one line, separated by a byte order mark or a carriage return: end each line with \\n"


def pick(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the value of the first of these fields that is present and not null, else None."""
    for name in names:
        value = fields.get(name)
        if value is not None:
            return value
    return None


def is_id(value: object) -> bool:
    """Return whether a JSON value can be an id: a string or an integer."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def unfit_id(name: str) -> str:
    """Return why an id is not allowed in a run file (empty, whitespace, a control character), else ""."""
    if name.isprintable() and name and " " not in name:
        return ""
    if not name:
        return "is empty"
    unfit = _UNFIT.search(name)
    if not unfit:
        return ""
    character = unfit[0]
    what = "whitespace" if character.isspace() and character not in "\x1c\x1d\x1e\x1f" else "a control character"
    return f"contains {what} (U+{ord(character):04X}), which is not allowed in a run file"


def is_empty(text: str) -> bool:
    """Return whether a text is empty or consists only of whitespace, control and format characters."""
    if text[:1].isalnum():  # nearly always
        return False
    return not any(not character.isspace() and unicodedata.category(character) not in _INVISIBLE for character in text)


def header_of(columns: Sequence[str], ids: Sequence[str], others: Sequence[str]) -> list[str] | None:
    """Return the column names if a file's first row is a header, else None.

    Args:
        columns: the first row.
        ids: possible names of the id column.
        others: possible names of the other columns; one of them must be present.
    """
    names = [column.strip().strip('"').lower() for column in columns]
    known = set(names) & set(ids) and set(names) & set(others) - set(ids)
    return names if known and len(set(names)) == len(names) else None


def looks_like_header(columns: Sequence[str]) -> bool:
    """Return whether a first row looks like a header with unknown names: an id column, and only names."""
    return (
        len(columns) > 1
        and _ANY_ID.fullmatch(columns[0].strip()) is not None
        and all(_NAME.fullmatch(column.strip()) for column in columns[1:])
    )


def columns_of(line: str, header: bool) -> list[str]:
    """Split a line at tabs; in a file with a header row, quoted cells are unquoted as in CSV."""
    columns = line.split("\t")
    return [_unquoted(column) for column in columns] if header else columns


def _unquoted(cell: str) -> str:
    inner = cell[1:-1]
    quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if quoted else cell


def glued(line: str) -> bool:
    """Return whether a line contains two records (files joined without a line break, or carriage returns)."""
    return ("\ufeff" in line or "\r" in line) and _GLUED.search(line) is not None


def shown(names: Sequence[str], most: int = 8) -> str:
    """Return field names, shortened to fit a message."""
    return ", ".join(f"{name:.40}" for name in names[:most]) + (", …" if len(names) > most else "") or "nothing"
