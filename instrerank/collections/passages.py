"""Passage texts from files: one file, a folder of them, or BEIR's folder, whose corpus is one file of several."""

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
    """Passages of a JSON or TSV file, or of all such files of a folder, read as a stream."""

    def __init__(self, path: str | Path) -> None:
        """Take a file or a folder.

        Raises:
            InputError: there is no such path, or the folder holds no passage file, or others beside them.
        """
        self.path = Path(path)
        self.name = str(path)
        if not self.path.exists() and not is_standard_stream(path):
            raise InputError(f"no passages at {path}: give a JSONL or TSV file, a folder of them, or irds:ID")
        self.files = [self.path]
        if self.path.is_dir():
            corpus = beir_part(self.path, "corpus")
            if corpus:
                log.info(f"{path}: BEIR's layout, its corpus is {corpus.name}")
            self.files = [corpus] if corpus else passage_files(self.path)

    def __iter__(self) -> Iterator[Passage]:
        """Yield the passages in file order.

        Raises:
            InputError: names the file and line that is not a passage.
        """
        for file in self.files:
            for _, passage in parse_passages(file):
                yield passage

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of those docids that are here.

        The files are read to their end, since a docid may be there again.

        Raises:
            InputError: names the file and line that is not a passage, or has one of these docids a second time.
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
                        f"make docids distinct"
                    )
                texts[docid] = text
                places[docid] = f"{file}:{number}"
        return texts
