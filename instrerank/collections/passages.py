"""Passage texts from files: JSONL in Pyserini's and BEIR's fields, TSV, or a folder of such files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from instrerank.errors import InputError
from instrerank.files import is_standard_stream, read_lines
from instrerank.trec import Passage
from instrerank.trec.passages import join_title, passage_of_fields

_SUFFIXES = (".jsonl", ".json", ".tsv", ".txt")


class PassageFile:
    """Passages of a JSONL or TSV file, or of all such files of a folder, read as a stream."""

    def __init__(self, path: str | Path) -> None:
        """Take a file or a folder.

        Raises:
            InputError: there is no such path, or the folder holds no passage file.
        """
        self.path = Path(path)
        self.name = str(path)
        if not self.path.exists() and not is_standard_stream(path):
            raise InputError(f"no passages at {path}: give a JSONL or TSV file, a folder of them, or irds:ID")
        self.files = [self.path]
        if self.path.is_dir():
            self.files = sorted(
                file for file in self.path.iterdir() if file.name.removesuffix(".gz").endswith(_SUFFIXES)
            )
            if not self.files:
                raise InputError(f"{path} holds no {', '.join(_SUFFIXES)} file (gzipped or not)")

    def __iter__(self) -> Iterator[Passage]:
        """Yield the passages in file order.

        Raises:
            InputError: names the file and line that is no passage.
        """
        for file in self.files:
            for number, line in read_lines(file):
                if line.strip():
                    yield _parse_passage(f"{file}:{number}", line)

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those docids that are here; reading stops when all are found."""
        wanted = set(docids)
        texts = {}
        for docid, text in self:
            if docid in wanted:
                texts[docid] = text
                wanted.remove(docid)
                if not wanted:
                    break
        return texts


def _parse_passage(place: str, line: str) -> Passage:
    if line.startswith("{"):
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{place}: not JSON: {error.msg} at column {error.colno}") from error
        return passage_of_fields(fields, place)
    columns = line.split("\t")
    if len(columns) not in (2, 3):
        raise InputError(
            f'{place}: wanted {{"id": …, "contents": …}} or docid<TAB>text or docid<TAB>title<TAB>text; '
            f"found {len(columns)} tab-separated columns"
        )
    *title, text = columns[1:]
    return Passage(columns[0], join_title(*title, text=text))
