"""Passage texts from files: a single file, a folder of files, or the corpus in a BEIR folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
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
        """Return the texts of the docids found.

        All files are read to the end to detect duplicate docids.

        Raises:
            InputError: a line is not a passage or repeats one of these docids; the message names file and line.
        """
        wanted = set(docids)
        texts: dict[str, str] = {}
        places: dict[str, str] = {}
        for file in self.files:
            for number, (docid, text) in parse_passages(file):
                if docid not in wanted:
                    continue
                if docid in texts:
                    same = "the same" if texts[docid] == text else "another"
                    raise InputError(
                        f"{file}:{number}: duplicate docid {docid} with {same} text, first in {places[docid]}: "
                        f"docids must be unique"
                    )
                texts[docid] = text
                places[docid] = f"{file}:{number}"
        return texts
