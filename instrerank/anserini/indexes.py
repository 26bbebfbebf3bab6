"""Locating and opening Lucene indexes, by folder or by Pyserini's name for a prebuilt one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from instrerank.anserini.jvm import java_class, reason, start_jvm
from instrerank.errors import InputError, MissingPrerequisiteError

_OTHERS_SEARCH = "BM25 cannot search it; retrieve with Pyserini, and rerank the run that it writes"

_OTHER_KINDS = {
    "IMPACT_INDEX_INFO": "impacts (SPLADE, uniCOIL and others)",
    "LUCENE_HNSW_INDEX_INFO": "vectors (HNSW)",
    "LUCENE_FLAT_INDEX_INFO": "vectors (flat)",
    "FAISS_INDEX_INFO": "vectors (Faiss)",
}
"""What Pyserini's tables of prebuilt indexes other than `TF_INDEX_INFO` are of."""

_SAMPLE = 1000
"""Documents whose lengths are looked at."""


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
    if (path / "docid").is_file() and (path / "index").is_file():
        raise InputError(f"{path} is a Faiss index of vectors: {_OTHERS_SEARCH}")
    if path.exists():
        raise InputError(f"{path} is not a Lucene index (it has no segments file): build one with `instrerank index`")
    if path.name != str(index):
        raise InputError(f"no such folder: {path}; build an index with `instrerank index`")
    return _prebuilt(path.name)


def _prebuilt(name: str) -> Path:
    start_jvm()
    try:
        # importing them, Pyserini 1 loads Java classes, and Pyserini 2 reads its tables of names over the network
        from pyserini import prebuilt_index_info
        from pyserini.util import download_prebuilt_index

        if name in prebuilt_index_info.TF_INDEX_INFO:
            with contextlib.redirect_stdout(sys.stderr):
                return Path(download_prebuilt_index(name, verbose=False))
    except (OSError, ValueError, AssertionError) as error:  # it asserts size and checksum
        raise MissingPrerequisiteError(
            f"no such folder: {name}, and a prebuilt index of that name cannot be downloaded ({error}): "
            f"give the folder of an index, or download the index once on a machine with network access"
        ) from error
    for table, kind in _OTHER_KINDS.items():
        if name in getattr(prebuilt_index_info, table, ()):
            raise InputError(f"{name} is Pyserini's prebuilt index of {kind}: {_OTHERS_SEARCH}")
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
        return searcher(str(path.resolve()))
    except JavaException as error:
        raise InputError(f"Lucene cannot open the index {path}: {reason(error)}") from error


@contextlib.contextmanager
def index_reader(path: Path) -> Iterator[Any]:
    """Open an index with Lucene's `DirectoryReader`, which knows its fields and terms."""
    folder = java_class("java.io.File")(str(path.resolve())).toPath()
    reader = java_class("org.apache.lucene.index.DirectoryReader").open(
        java_class("org.apache.lucene.store.FSDirectory").open(folder)
    )
    try:
        yield reader
    finally:
        reader.close()


def check_searchable(path: Path, reader: Any) -> None:
    """Refuse an index that BM25 cannot search.

    Args:
        path: its folder.
        reader: from `index_reader`.

    Raises:
        InputError: it holds vectors, or impacts in place of term frequencies.
    """
    contents = java_class("org.apache.lucene.index.FieldInfos").getMergedFieldInfos(reader).fieldInfo("contents")
    if reader.numDocs() and contents is None:
        raise InputError(f"the index {path} has no field named contents but holds vectors: {_OTHERS_SEARCH}")
    if contents is not None and _stores_impacts(reader):
        raise InputError(
            f"the index {path} stores impacts (SPLADE, uniCOIL and others) instead of document lengths: "
            f"{_OTHERS_SEARCH}"
        )


def _stores_impacts(reader: Any) -> bool:
    """Return whether all lengths are 1, as Anserini's `ImpactSimilarity` stores them, but more terms are counted."""
    leaves = reader.leaves()
    if not leaves.size() or reader.getSumTotalTermFreq("contents") <= reader.getDocCount("contents"):
        return False
    lengths = leaves.get(0).reader().getNormValues("contents")
    return lengths is None or all(
        lengths.longValue() == 1 for _ in range(_SAMPLE) if lengths.nextDoc() != lengths.NO_MORE_DOCS
    )
