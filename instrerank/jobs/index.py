"""The job `build_index`: build a Lucene index of passages."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrerank import anserini
from instrerank.anserini import IndexStatistics
from instrerank.collections import open_passages

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """Settings of `build_index`.

    Attributes:
        corpus: passages as `instrerank.open_passages` takes them, or an iterable of `Passage`.
        index: folder of the index; it must not exist, or be empty.
        threads: number of Java threads; they do not affect the result.
        overwrite: replace an existing index.
    """

    corpus: Any
    index: str | Path
    threads: int = 1
    overwrite: bool = False


def build_index(corpus: Any, index: str | Path, *, threads: int = 1, overwrite: bool = False) -> IndexStatistics:
    """Build a Lucene index of passages; the folder appears once the index is complete.

    Args:
        corpus: passages as `instrerank.open_passages` takes them, or an iterable of `Passage`.
        index: folder of the index; it must not exist, or be empty.
        threads: number of Java threads; they do not affect the result.
        overwrite: replace an existing index.

    Raises:
        InputError: the passages do not exist, or `index` exists, cannot be written, or is being built by another
            process.
        InstrerankError: Anserini failed.
        MissingPrerequisiteError: Java or pyserini is missing.
    """
    return run_index(IndexSettings(corpus=corpus, index=index, threads=threads, overwrite=overwrite))


def run_index(settings: IndexSettings) -> IndexStatistics:
    """Run `build_index` with the given settings."""
    passages = open_passages(settings.corpus)
    statistics = anserini.build_index(passages, settings.index, threads=settings.threads, overwrite=settings.overwrite)
    empty = f"; {statistics.empty} without text left out" if statistics.empty else ""
    log.info(f"{settings.index}: {statistics.documents} passages{empty}")
    return statistics
