"""Tables as files: all digits for programs, four for people."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from instrerank.files import whole_file
from instrerank.study.tables import Row, Table
from instrerank.tables import render

_FOR_PEOPLE = {"md": "markdown", "tex": "latex"}
_LONG = ("cells", "topics")
"""Tables that nobody prints."""


def write_tables(folder: Path, tables: Sequence[Table]) -> list[Path]:
    """Write `<table>.csv` and `.json` with all digits and, of those to be read, `.md` and `.tex`.

    A table without rows is not written, and what an earlier one left is removed.

    Raises:
        InputError: the folder cannot be written.
    """
    written = []
    for name, rows in tables:
        if not rows:
            for path in folder.glob(f"{name}.*"):
                path.unlink()
            continue
        header = list(rows[0])
        with whole_file(folder / f"{name}.csv") as file:
            writer = csv.writer(file, lineterminator="\n")
            # csv writes a float as repr does, and None as an empty field
            writer.writerows([header, *_values(rows)])
        formats = {"json": "json"} if name in _LONG else {"json": "json", **_FOR_PEOPLE}
        for suffix, output_format in formats.items():
            with whole_file(folder / f"{name}.{suffix}") as file:
                file.write(render(header, _values(rows), output_format) + "\n")
        written.append(folder / f"{name}.csv")
    return written


def _values(rows: Sequence[Row]) -> list[list[object]]:
    return [list(row.values()) for row in rows]
