"""Indexing as a job: passages by any name in, a Lucene index out."""

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
    """What `build_index` does.

    Attributes:
        corpus: passages as `instrerank.open_passages` takes them, or an iterable of `Passage`.
        index: folder of the index to be made; an empty one may be there.
        threads: Java threads; they change nothing but the time.
        overwrite: replace an index that is there.
    """

    corpus: Any
    index: str | Path
    threads: int = 1
    overwrite: bool = False


def build_index(corpus: Any, index: str | Path, *, threads: int = 1, overwrite: bool = False) -> IndexStatistics:
    """Build a Lucene index of passages; it appears whole or not at all.

    Args:
        corpus: passages as `instrerank.open_passages` takes them, or an iterable of `Passage`.
        index: folder of the index to be made; an empty one may be there.
        threads: Java threads; they change nothing but the time.
        overwrite: replace an index that is there.

    Raises:
        InputError: no such passages, or `index` is there, cannot be written, or is being built by another process.
        InstrerankError: Anserini failed.
        MissingPrerequisiteError: no Java, or no pyserini.
    """
    return run_index(IndexSettings(corpus=corpus, index=index, threads=threads, overwrite=overwrite))


def run_index(settings: IndexSettings) -> IndexStatistics:
    """Do what `IndexSettings` say; see `build_index`."""
    passages = open_passages(settings.corpus)
    statistics = anserini.build_index(passages, settings.index, threads=settings.threads, overwrite=settings.overwrite)
    empty = f"; {statistics.empty} without text left out" if statistics.empty else ""
    log.info(f"{settings.index}: {statistics.documents} passages{empty}")
    return statistics
