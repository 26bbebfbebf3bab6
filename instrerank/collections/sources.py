"""The one door to topics, qrels, runs, instructions and passages, by whatever the user names.

A name is a file, `irds:ID`, the bundled `pocket`, or one of Pyserini's; what looks like a file never starts Java.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from instrerank import anserini
from instrerank.collections.folders import topics_file
from instrerank.collections.irds import PREFIX, IrdsPassages, irds_instructions, irds_qrels, irds_run, irds_topics
from instrerank.collections.passages import PassageFile
from instrerank.collections.pocket import POCKET
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.trec import Qrels, Run, Topic, read_instructions, read_qrels, read_run, read_topics
from instrerank.trec.passages import PassageSource

_Found = TypeVar("_Found")


def load_topics(source: str | Path) -> list[Topic]:
    """Load topics from a file, BEIR's folder, `irds:ID`, `pocket`, or by a name of Pyserini's, such as `dl19-passage`.

    Raises:
        InputError: the file is not to be read, or holds something else; there is neither file nor name.
        MissingPrerequisiteError: `irds:` without ir_datasets, or out of reach; one of Pyserini's names, and no
            pyserini, no Java, or neither cache nor network.
    """

    def read(path: str | Path) -> list[Topic]:
        return read_topics(topics_file(path))

    return _load(source, {"pocket": "topics.tsv"}, read, irds_topics, anserini.named_topics)


def load_instructions(source: str | Path) -> dict[str, str]:
    """Load instructions by qid: as `load_topics` (`pocket:changed`), narratives of a name serving as instructions.

    Raises:
        InputError: as `load_topics`.
        MissingPrerequisiteError: as `load_topics`.
    """
    files = _variants("instructions.{}.tsv")
    return _load(source, files, read_instructions, irds_instructions, anserini.named_instructions)


def load_qrels(source: str | Path) -> Qrels:
    """Load qrels: as `load_topics` (`pocket:changed`).

    Raises:
        InputError: as `load_topics`.
        MissingPrerequisiteError: as `load_topics`.
    """
    return _load(source, _variants("qrels.{}.txt"), read_qrels, irds_qrels, anserini.named_qrels)


def load_run(source: str | Path, *, keep_first_duplicate: bool = False) -> Run:
    """Load a run from a file, as `read_run` does, or the candidates of `irds:ID`.

    Raises:
        InputError: the file is not to be read, or holds something else; no such id, or one without candidates.
        MissingPrerequisiteError: `irds:` without ir_datasets, or out of reach.
    """
    if str(source).startswith(PREFIX):
        return irds_run(str(source))
    return read_run(source, keep_first_duplicate=keep_first_duplicate)


def open_passages(source: str | Path) -> PassageSource:
    """Open the passages of a JSONL or TSV file, a folder of them, a Lucene index, `irds:ID`, or `pocket`.

    Raises:
        InputError: there is no such file, or no such id.
        MissingPrerequisiteError: `irds:` without ir_datasets, or out of reach; an index without Java.
    """
    name = str(source)
    if name.startswith(PREFIX):
        return IrdsPassages(name)
    if anserini.is_index(Path(source)):
        return anserini.IndexPassages(source)
    if _may_be_pyserinis(name):
        return _prebuilt_passages(name)
    return PassageFile(POCKET / "passages.jsonl" if name == "pocket" else source)


def _load(
    source: str | Path,
    bundled: dict[str, str],
    read: Callable[[str | Path], _Found],
    from_irds: Callable[[str], _Found],
    from_pyserini: Callable[[str], _Found],
) -> _Found:
    """Load from the place that a source names; a file comes before every name."""
    name = str(source)
    if name.startswith(PREFIX):
        return from_irds(name)
    if name in bundled:
        return read(POCKET / bundled[name])
    return from_pyserini(name) if _may_be_pyserinis(name) else read(source)


def _prebuilt_passages(name: str) -> PassageSource:
    try:
        return anserini.IndexPassages(name)
    except InputError as error:
        raise InputError(
            f"no passages at {name}: give a JSONL or TSV file, a folder of them, a Lucene index, irds:ID, or one of "
            f"Pyserini's names for an index"
        ) from error
    except MissingPrerequisiteError as error:
        raise MissingPrerequisiteError(f"there is no file {name}; Pyserini's index of that name: {error}") from error


def _may_be_pyserinis(name: str) -> bool:
    """Say whether a source is no file, looks like none, and belongs to no other list of names."""
    elsewhere = re.match(r"irds:|pocket$|pocket:|-$", name)
    like_a_file = re.search(r"[/\\]|\.(tsv|csv|txt|jsonl?|trec|topics|qrels?|gz)$", name)
    return not elsewhere and not like_a_file and not Path(name).exists()


def _variants(pattern: str) -> dict[str, str]:
    original, changed = pattern.format("original"), pattern.format("changed")
    return {"pocket": original, "pocket:original": original, "pocket:changed": changed}
