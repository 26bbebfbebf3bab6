"""Building Lucene indexes with Anserini, as Pyserini's own command does."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from instrerank.anserini.analysis import Analysis, write_record
from instrerank.anserini.indexes import is_index
from instrerank.anserini.java import find_java
from instrerank.anserini.jvm import anserini_jar, anserini_version
from instrerank.errors import InputError, InstrerankError
from instrerank.files import check_writable, one_process, partial_path, remove_abandoned
from instrerank.trec import Passage
from instrerank.trec.problems import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexStatistics:
    """Statistics of a finished index.

    Attributes:
        documents: number of passages in the index.
        empty: number of passages without text, which Anserini skips.
    """

    documents: int
    empty: int


def build_index(
    passages: Iterable[Passage],
    index: str | Path,
    *,
    analysis: Analysis = Analysis(),  # noqa: B008 - frozen
    threads: int = 1,
    overwrite: bool = False,
) -> IndexStatistics:
    """Build a Lucene index with Anserini's `IndexCollection`; no partial index is ever left behind.

    The same as `python -m pyserini.index.lucene --collection JsonCollection --generator
    DefaultLuceneDocumentGenerator --storePositions --storeDocvectors --storeRaw`, in a separate Java process that
    always ends with this one; its log is shown only if it fails. The index records how its texts were analysed.
    After a killed call, the next one cleans up and restores the index that was being replaced.

    Args:
        passages: passages with unique docids.
        index: folder to create; it may exist if it is empty.
        analysis: how passages are split into terms.
        threads: number of Java threads; they affect only the running time.
        overwrite: replace an existing index.

    Raises:
        InputError: `index` exists, is being built by another process or cannot be written; no passage has text; or a
            docid is a duplicate, is empty or contains whitespace.
        InstrerankError: Anserini failed, or did not index all of the passages.
        MissingPrerequisiteError: no recent enough Java, or no pyserini.
    """
    if threads < 1:
        raise InputError(f"`threads` must be at least 1, got {threads}")
    target = Path(index)
    if target.is_symlink() or not target.name:
        target = target.resolve()
    if not target.is_dir():
        check_writable(target)
    with one_process(target):
        _restore(target)
        _check_target(target, overwrite)
        remove_abandoned(target.parent)
        scratch = partial_path(target)
        scratch.mkdir()
        try:
            statistics = _build(passages, scratch, analysis, threads)
            _put_in_place(scratch / "index", target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return statistics


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not is_index(target):
        raise InputError(f"{target} exists and is not an index, so it will not be overwritten: choose another folder")
    if not overwrite:
        raise InputError(f"{target} is already an index: choose another folder, or set `overwrite` to replace it")


def _replaced(target: Path) -> Path:
    """Return where an index is kept while it is being replaced."""
    return target.with_name(f".{target.name}.replaced")


def _put_in_place(built: Path, target: Path) -> None:
    """Rename a complete index to `target`, so that at any time a complete one exists or can be restored."""
    if target.exists():
        target.rename(_replaced(target))
    built.rename(target)
    shutil.rmtree(_replaced(target), ignore_errors=True)


def _restore(target: Path) -> None:
    """Restore the index that a killed call had moved away, or remove it if the new one is already in place."""
    replaced = _replaced(target)
    if not replaced.exists():
        return
    if target.exists():
        shutil.rmtree(replaced, ignore_errors=True)
    else:
        replaced.rename(target)
        log.warning(
            f"{target}: an earlier call was killed while it replaced this index; the old index has been restored"
        )


def _build(passages: Iterable[Passage], scratch: Path, analysis: Analysis, threads: int) -> IndexStatistics:
    """Write the passages to `scratch/collection` and index them into `scratch/index`."""
    java, jar = find_java(), anserini_jar()
    collection = scratch / "collection"
    written = _write_collection(passages, collection, threads)
    command = [str(java.home / "bin" / "java"), "-cp", str(jar), "io.anserini.index.IndexCollection"]
    command += ["-collection", "JsonCollection", "-generator", "DefaultLuceneDocumentGenerator"]
    command += ["-input", str(collection), "-index", str(scratch / "index"), "-threads", str(threads)]
    command += ["-storePositions", "-storeDocvectors", "-storeRaw", *analysis.index_options()]
    finished = _run_with_us(command)
    statistics = _read_statistics(finished.stdout)
    if finished.returncode or statistics is None or statistics.documents + statistics.empty != written:
        raise InstrerankError(
            f"Anserini did not index all of {counted(written, 'passage')} (exit code {finished.returncode}). "
            f"The end of its log:\n{finished.stdout[-4000:]}"
        )
    if statistics.documents == 0:
        raise InputError(f"nothing to index: {counted(written, 'passage')}, none with text")
    write_record(scratch / "index", analysis, {"java": java.version, "anserini": anserini_version()})
    return statistics


_WATCHED = 'exec 3<&0; { read -r _ <&3 || kill -KILL $$; } >/dev/null 2>&1 & exec "$@" 3<&- </dev/null'
"""Becomes the command in "$@", beside a watcher that kills it when standard input ends without a line."""


def _run_with_us(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command that never outlives this process: however it is killed, this end of a pipe closes."""
    reading, writing = os.pipe()
    try:
        return subprocess.run(
            ["sh", "-c", _WATCHED, "sh", *command],
            stdin=reading,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    finally:
        os.write(writing, b"\n")  # it has ended: the watcher must not kill who has its number by now
        os.close(writing)
        os.close(reading)


def _write_collection(passages: Iterable[Passage], folder: Path, files: int) -> int:
    """Write an Anserini JsonCollection with one file per thread, and return the number of passages."""
    folder.mkdir()
    docids: set[str] = set()
    with ExitStack() as stack:
        shards = [
            stack.enter_context((folder / f"{number}.jsonl").open("w", encoding="utf-8")) for number in range(files)
        ]
        for number, passage in enumerate(passages):
            if not passage.docid or re.search(r"\s", passage.docid):
                problem = "contains whitespace, which is not allowed in a run file" if passage.docid else "is empty"
                raise InputError(f"docid {passage.docid!r} {problem}: rename it")
            if passage.docid in docids:
                raise InputError(f"duplicate docid {passage.docid} in the collection: docids must be unique")
            docids.add(passage.docid)
            json.dump({"id": passage.docid, "contents": passage.text}, shards[number % files])
            shards[number % files].write("\n")
    return len(docids)


def _read_statistics(log: str) -> IndexStatistics | None:
    counters = {
        name: int(number.replace(",", "")) for name, number in re.findall(r"- (indexed|empty): +([\d,]+)$", log, re.M)
    }
    return IndexStatistics(counters["indexed"], counters["empty"]) if len(counters) == 2 else None
