"""Locating and opening Lucene indexes, by folder or by Pyserini's name for a prebuilt one."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

from instrerank.anserini.jvm import java_class, reason, start_jvm
from instrerank.errors import InputError, MissingPrerequisiteError


def is_index(path: Path) -> bool:
    """Return whether a folder contains a complete Lucene index."""
    return path.is_dir() and any(path.glob("segments_*"))


def locate_index(index: str | Path) -> Path:
    """Return the folder of an index; a prebuilt index of Pyserini is downloaded unless it is in Pyserini's cache.

    Raises:
        InputError: neither a folder with a Lucene index nor the name of a prebuilt index for BM25.
        MissingPrerequisiteError: a prebuilt index is neither cached nor downloadable, or pyserini is missing.
    """
    path = Path(index)
    if is_index(path):
        return path
    if path.exists():
        raise InputError(f"{path} is not a Lucene index (it has no segments file): build one with `instrerank index`")
    if path.name != str(index):
        raise InputError(f"no such folder: {path}; build an index with `instrerank index`")
    return _prebuilt(path.name)


def _prebuilt(name: str) -> Path:
    start_jvm()
    try:
        # importing them, Pyserini 1 loads Java classes, and Pyserini 2 reads its tables of names over the network
        from pyserini.prebuilt_index_info import TF_INDEX_INFO
        from pyserini.util import download_prebuilt_index

        if name in TF_INDEX_INFO:
            with contextlib.redirect_stdout(sys.stderr):
                return Path(download_prebuilt_index(name, verbose=False))
    except (OSError, ValueError, AssertionError) as error:  # it asserts size and checksum
        raise MissingPrerequisiteError(
            f"no such folder: {name}, and a prebuilt index of that name cannot be downloaded ({error}): "
            f"give the folder of an index, or download the index once on a machine with network access"
        ) from error
    raise InputError(
        f"{name} is neither a folder with a Lucene index nor one of Pyserini's prebuilt indexes for BM25: "
        f"build one with `instrerank index`"
    )


def open_index(path: Path) -> Any:
    """Open an index with Anserini's `SimpleSearcher`, the Java class behind Pyserini's `LuceneSearcher`.

    Raises:
        InputError: Lucene cannot read it.
        MissingPrerequisiteError: Java or pyserini is missing.
    """
    searcher = java_class("io.anserini.search.SimpleSearcher")
    from jnius import JavaException

    try:
        # the JVM keeps the folder that the process had when it started
        opened = searcher(str(path.resolve()))
    except JavaException as error:
        raise InputError(f"Lucene cannot open the index {path}: {reason(error)}") from error
    if opened.get_total_num_docs() and not _has_contents(path.resolve()):
        raise InputError(f"the index {path} has no field named contents: it holds vectors, and BM25 cannot search it")
    return opened


def _has_contents(path: Path) -> bool:
    folder = java_class("java.io.File")(str(path)).toPath()
    reader = java_class("org.apache.lucene.index.DirectoryReader").open(
        java_class("org.apache.lucene.store.FSDirectory").open(folder)
    )
    try:
        fields = java_class("org.apache.lucene.index.FieldInfos").getMergedFieldInfos(reader)
        return fields.fieldInfo("contents") is not None
    finally:
        reader.close()
