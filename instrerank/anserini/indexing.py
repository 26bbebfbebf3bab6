"""Lucene indexes of passages, built by Anserini as Pyserini's own command builds them."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from instrerank.anserini.indexes import is_index
from instrerank.anserini.java import find_java
from instrerank.anserini.jvm import anserini_jar
from instrerank.errors import InputError, InstrerankError
from instrerank.trec import Passage


@dataclass(frozen=True)
class IndexStatistics:
    """What an index was made of.

    Attributes:
        documents: passages in the index.
        empty: passages without text; Anserini leaves them out.
    """

    documents: int
    empty: int


def build_index(
    passages: Iterable[Passage], index: str | Path, *, threads: int = 1, overwrite: bool = False
) -> IndexStatistics:
    """Build a Lucene index with Anserini's `IndexCollection`; it appears whole or not at all.

    The same as `python -m pyserini.index.lucene --collection JsonCollection --generator
    DefaultLuceneDocumentGenerator --storePositions --storeDocvectors --storeRaw`, in a Java process of its own: an
    interrupt ends it at once, and its log is told only when it fails.

    Args:
        passages: passages with distinct docids.
        index: folder to be made; an empty one may be there.
        threads: Java threads; they change nothing but the time.
        overwrite: replace an index that is there.

    Raises:
        InputError: `index` is there or cannot be written, there is no passage with text, two have one docid, or a
            docid is empty or holds a blank.
        InstrerankError: Anserini failed, or indexed another number of passages than it was given.
        MissingPrerequisiteError: no Java that is new enough, or no pyserini.
    """
    if threads < 1:
        raise InputError(f"threads start from 1; given {threads}")
    java, jar = find_java(), anserini_jar()
    target = Path(index)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        if not is_index(target):
            raise InputError(f"{target} is there and is no index: it will not be touched; name another folder")
        if not overwrite:
            raise InputError(f"{target} is an index already: name another folder, or add --overwrite")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror} ({error.filename})") from error
    with scratch as folder:
        collection, built = Path(folder, "collection"), Path(folder, "index")
        written = _write_collection(passages, collection, threads)
        command = [str(java.home / "bin" / "java"), "-cp", str(jar), "io.anserini.index.IndexCollection"]
        command += ["-collection", "JsonCollection", "-generator", "DefaultLuceneDocumentGenerator"]
        command += ["-input", str(collection), "-index", str(built), "-threads", str(threads)]
        command += ["-storePositions", "-storeDocvectors", "-storeRaw"]
        finished = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        statistics = _read_statistics(finished.stdout)
        if finished.returncode or statistics is None or statistics.documents + statistics.empty != written:
            raise InstrerankError(
                f"Anserini did not index all of the {written} passages (exit code {finished.returncode}). "
                f"The end of its log:\n{finished.stdout[-4000:]}"
            )
        if statistics.documents == 0:
            raise InputError(f"nothing to index: {written} passages, none of them with text")
        if target.exists():
            target.rename(Path(folder, "replaced"))
        built.rename(target)
    return statistics


def _write_collection(passages: Iterable[Passage], folder: Path, files: int) -> int:
    """Write Anserini's JsonCollection, a file for each thread, and return the number of passages."""
    folder.mkdir()
    docids: set[str] = set()
    with ExitStack() as stack:
        shards = [
            stack.enter_context((folder / f"{number}.jsonl").open("w", encoding="utf-8")) for number in range(files)
        ]
        for number, passage in enumerate(passages):
            if not passage.docid or re.search(r"\s", passage.docid):
                raise InputError(
                    f"docid {passage.docid!r}: it must be there and hold no blank, or runs cannot name it"
                )
            if passage.docid in docids:
                raise InputError(f"docid {passage.docid} stands twice in the collection: make docids distinct")
            docids.add(passage.docid)
            json.dump({"id": passage.docid, "contents": passage.text}, shards[number % files])
            shards[number % files].write("\n")
    return len(docids)


def _read_statistics(log: str) -> IndexStatistics | None:
    counters = {
        name: int(number.replace(",", "")) for name, number in re.findall(r"- (indexed|empty): +([\d,]+)$", log, re.M)
    }
    return IndexStatistics(counters["indexed"], counters["empty"]) if len(counters) == 2 else None
