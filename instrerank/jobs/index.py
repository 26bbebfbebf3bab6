"""The job `build_index`: build a Lucene index of passages."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrerank import anserini
from instrerank.anserini import Analysis, IndexStatistics
from instrerank.collections import open_passages
from instrerank.jobs.settings import settings_of
from instrerank.trec.problems import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """Settings of `build_index`.

    Attributes:
        corpus: passages as `instrerank.open_passages` takes them, or an iterable of `Passage`.
        index: folder of the index; it must not exist, or be empty.
        language: code of the analyzer, one of `instrerank.anserini.LANGUAGES`; recorded in the index, so that
            `search` analyses queries likewise.
        stemmer: of English: "porter", "krovetz" or "none".
        keep_stopwords: index English stop words too.
        pretokenized: split passages at whitespace only.
        threads: number of Java threads; they do not affect the result.
        overwrite: replace an existing index.
    """

    corpus: Any
    index: str | Path
    language: str = "en"
    stemmer: str = "porter"
    keep_stopwords: bool = False
    pretokenized: bool = False
    threads: int = 1
    overwrite: bool = False


def build_index(corpus: Any, index: str | Path, **settings: Any) -> IndexStatistics:
    """Build a Lucene index of passages; the folder appears once the index is complete.

    Args:
        corpus: passages as `instrerank.open_passages` takes them, or an iterable of `Passage`.
        index: folder of the index; it must not exist, or be empty.
        **settings: other fields of `IndexSettings`.

    Raises:
        InputError: the passages do not exist, an option is invalid, or `index` exists, cannot be written, or is being
            built by another process.
        InstrerankError: Anserini failed.
        MissingPrerequisiteError: Java or pyserini is missing.
    """
    return run_index(settings_of(IndexSettings, corpus=corpus, index=index, **settings))


def run_index(settings: IndexSettings) -> IndexStatistics:
    """Run `build_index` with the given settings."""
    analysis = Analysis(settings.language, settings.stemmer, settings.keep_stopwords, settings.pretokenized)
    passages = open_passages(settings.corpus)
    statistics = anserini.build_index(
        passages, settings.index, analysis=analysis, threads=settings.threads, overwrite=settings.overwrite
    )
    empty = f"; {statistics.empty} without text left out" if statistics.empty else ""
    log.info(f"{settings.index}: {counted(statistics.documents, 'passage')}{empty}")
    return statistics
