"""Passage texts from files: a single file, a folder of files, or the corpus in a BEIR folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from instrerank.collections.folders import beir_part, passage_files
from instrerank.errors import InputError
from instrerank.files import is_standard_stream
from instrerank.trec import Passage
from instrerank.trec.passages import parse_passages

log = logging.getLogger(__name__)


class PassageFile:
    """Passages streamed from a JSON or TSV file, or from all such files in a folder."""

    def __init__(self, path: str | Path) -> None:
        """Open a file or a folder.

        Raises:
            InputError: the path does not exist, or the folder contains no passage files or also other files.
        """
        self.path = Path(path)
        self.name = str(path)
        if not self.path.exists() and not is_standard_stream(path):
            raise InputError(f"no passages at {path}: give a JSONL or TSV file, a folder of them, or irds:ID")
        self.files = [self.path]
        if self.path.is_dir():
            corpus = beir_part(self.path, "corpus")
            if corpus:
                log.info(f"{path}: folder in BEIR's layout; reading its corpus {corpus.name}")
            self.files = [corpus] if corpus else passage_files(self.path)

    def __iter__(self) -> Iterator[Passage]:
        """Yield the passages in file order.

        Raises:
            InputError: a line is not a passage; the message names file and line.
        """
        for file in self.files:
            for _, passage in parse_passages(file):
                yield passage

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of the docids found; errors as for `stream`."""
        numbers = {docid: number for number, docid in enumerate(dict.fromkeys(docids))}
        names = list(numbers)
        return {names[number]: text for number, text in self.stream(numbers)}

    def stream(self, numbers: Mapping[str, int]) -> Iterator[tuple[int, str]]:
        """Yield the texts of some docids in file order.

        All files are read to the end to detect duplicate docids.

        Args:
            numbers: the docids, numbered from 0.

        Yields:
            number and text of each docid found.

        Raises:
            InputError: a line is not a passage or repeats one of these docids; the message names file and line.
        """
        seen = bytearray(len(numbers))
        for file in self.files:
            for line, passage in parse_passages(file):
                number = numbers.get(passage[0])
                if number is None:
                    continue
                if seen[number]:
                    raise self._duplicate(passage, f"{file}:{line}")
                seen[number] = True
                yield number, passage[1]

    def _duplicate(self, passage: Passage, place: str) -> InputError:
        """Return the error for a docid that an earlier line has."""
        docid, text = passage
        rows = ((f"{file}:{number}", row) for file in self.files for number, row in parse_passages(file))
        first, known = next((place, row.text) for place, row in rows if row.docid == docid)
        same = "the same" if known == text else "another"
        return InputError(
            f"{place}: duplicate docid {docid} with {same} text, first in {first}: docids must be unique"
        )
