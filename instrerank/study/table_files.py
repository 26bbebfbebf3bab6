"""Tables as files: CSV and JSON with all digits for programs, Markdown and LaTeX with four for people."""

from __future__ import annotations

import csv
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from instrerank.errors import InputError
from instrerank.files import whole_file
from instrerank.study.rows import Row
from instrerank.tables import render

_FOR_PEOPLE = {"md": "markdown", "tex": "latex"}
_LONG = ("cells", "topics")
"""Tables too long to print."""

_FLAGS = {"True": True, "False": False}
_EXPECTED = {int: "a whole number", float: "a number", bool: "True or False"}

_Row = TypeVar("_Row", bound=Row)


def write_table(folder: Path, name: str, rows: Sequence[Row]) -> None:
    """Write `<name>.csv` and `<name>.json` and, unless the table is a long one, `<name>.md` and `<name>.tex`.

    An empty table is not written; the files of an earlier one are removed.

    Raises:
        InputError: the folder cannot be written.
    """
    if not rows:
        for path in folder.glob(f"{name}.*"):
            path.unlink()
        return
    header = rows[0]._fields
    with whole_file(folder / f"{name}.csv") as file:
        # csv writes a float as repr does, and None as an empty field
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    formats = {"json": "json"} if name in _LONG else {"json": "json", **_FOR_PEOPLE}
    for suffix, output_format in formats.items():
        with whole_file(folder / f"{name}.{suffix}") as file:
            file.write(render(header, rows, output_format) + "\n")


def read_table(path: str | Path, row_type: type[_Row]) -> Iterator[_Row]:
    """Yield the rows of a CSV table in order, from line 2 of the file (if no field contains a line break).

    Args:
        path: `tables/<mode>/<name>.csv` in a study's folder; a file that does not exist has no rows.
        row_type: the class of the table's rows in `study/rows.py`.

    Raises:
        InputError: a column is missing, or a value is not of the column's type.
    """
    path = Path(path)
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from _rows(path, csv.reader(file), row_type)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}") from error


def _rows(path: Path, reader: Iterator[list[str]], row_type: type[_Row]) -> Iterator[_Row]:
    hints = typing.get_type_hints(row_type)
    header = next(reader, [])
    missing = [column for column in row_type._fields if column not in header]
    if missing:
        raise InputError(
            f"{path}: missing column {', '.join(missing)}; write the tables again with `instrerank study --resume`"
        )
    columns = [_Column(name, header.index(name), *_kind(hints[name])) for name in row_type._fields]
    for line, fields in enumerate(reader, start=2):
        if len(fields) != len(header):
            raise InputError(f"{path}, line {line}: {len(fields)} fields, but the header has {len(header)}")
        try:
            row = row_type(*(column.value(fields) for column in columns))
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {error}") from None
        yield row


class _Column(NamedTuple):
    name: str
    place: int
    kind: type
    optional: bool

    def value(self, fields: Sequence[str]) -> Any:
        """Return the value of this column in a line's fields."""
        text = fields[self.place]
        if self.optional and not text:
            return None
        if self.kind is str:
            return text
        try:
            return _FLAGS[text] if self.kind is bool else self.kind(text)
        except (ValueError, KeyError):
            raise ValueError(f"{self.name} must be {_EXPECTED[self.kind]}, got {text!r}") from None


def _kind(hint: Any) -> tuple[type, bool]:
    """Return the type of a column, and whether its fields may be empty (`float | None`)."""
    return (hint.__args__[0], True) if isinstance(hint, types.UnionType) else (hint, False)
