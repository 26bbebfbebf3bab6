"""Loading topics, qrels, runs, instructions and passages by name or from Python objects.

A name is a file, `irds:ID`, `mteb:TASK`, the bundled `pocket`, or one of Pyserini's names; a name that looks like a
file never starts Java. Python objects (`instrerank.collections.loaded`) pass through the same functions.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from instrerank import anserini
from instrerank.collections import irds, mteb_data, mteb_tasks
from instrerank.collections.folders import topics_file
from instrerank.collections.loaded import MappedPassages, as_qrels, as_run, as_topics, file_and_variant, is_name
from instrerank.collections.passages import PassageFile
from instrerank.collections.pocket import POCKET
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.trec import Qrels, Run, Topic, read_instructions, read_qrels, read_run, read_topics
from instrerank.trec.passages import PassageSource
from instrerank.trec.problems import listed

_Found = TypeVar("_Found")

log = logging.getLogger(__name__)


Name = str | Path

PREFIX = (irds.PREFIX, mteb_tasks.PREFIX)
"""What names of other libraries' collections begin with: these are never files."""

MissingPolicy = Literal["error", "skip"]
"""What to do about a topic without an instruction, a candidate without text, …: raise, or continue and count it."""


def load_topics(source: Name | Any) -> list[Topic]:
    """Load topics from a file, a BEIR folder, `irds:ID`, `mteb:TASK`, `pocket`, or a Pyserini name (`dl19-passage`).

    Args:
        source: a name, or topics as accepted by `instrerank.collections.loaded.as_topics`.

    Raises:
        InputError: the file cannot be read or is of another kind, or the name is unknown.
        MissingPrerequisiteError: `irds:` without ir_datasets or `mteb:` without mteb, or not downloadable; a Pyserini
        name without pyserini or Java, or neither cached nor downloadable.
    """
    if not is_name(source):
        return as_topics(source)

    def read(path: str | Path) -> list[Topic]:
        return read_topics(topics_file(path))

    others = {irds.PREFIX: irds.irds_topics, mteb_tasks.PREFIX: mteb_data.mteb_topics}
    return _load(source, {"pocket": "topics.tsv"}, read, others, anserini.named_topics)


def load_instructions(source: Name | Mapping[str, str]) -> dict[str, str]:
    """Load instructions by qid, as `load_topics` (and `pocket:changed`, `mteb:TASK:changed`).

    The narratives of topics by ir_datasets' and Pyserini's names serve as instructions. `FILE:changed` are the
    instructions `instruction_changed` of a file in FollowIR's form; also `FILE:original` and `FILE:reversed`.

    Args:
        source: a name, or a mapping from qid to instruction.

    Raises:
        InputError: as `load_topics`.
        MissingPrerequisiteError: as `load_topics`.
    """
    if isinstance(source, Mapping):
        return {str(qid): instruction for qid, instruction in source.items()}
    file, variant = file_and_variant(source)
    if variant:
        return read_instructions(file, variant)
    files = _variants("instructions.{}.tsv")
    others = {irds.PREFIX: irds.irds_instructions, mteb_tasks.PREFIX: mteb_data.mteb_instructions}
    return _load(source, files, read_instructions, others, anserini.named_instructions)


def load_qrels(source: Name | Any) -> Qrels:
    """Load qrels from the sources of `load_topics` (and `pocket:changed`, `mteb:TASK:changed`).

    Args:
        source: a name, or qrels as accepted by `instrerank.collections.loaded.as_qrels`.

    Raises:
        InputError: as `load_topics`.
        MissingPrerequisiteError: as `load_topics`.
    """
    if not is_name(source):
        return as_qrels(source)
    others = {irds.PREFIX: irds.irds_qrels, mteb_tasks.PREFIX: mteb_data.mteb_qrels}
    return _load(source, _variants("qrels.{}.txt"), read_qrels, others, anserini.named_qrels)


def load_run(source: Name | Any, *, keep_first_duplicate: bool = False) -> Run:
    """Load a run from a file, as `read_run` does, or the candidates of `irds:ID` or `mteb:TASK`.

    Args:
        source: a name, or a run as accepted by `instrerank.collections.loaded.as_run`.
        keep_first_duplicate: for a duplicate docid in a file, keep the better-ranked row instead of raising, as is
        usual for a first stage.

    Raises:
        InputError: the file cannot be read or is of another kind; the id is unknown or has no candidates.
        MissingPrerequisiteError: `irds:` without ir_datasets or `mteb:` without mteb, or not downloadable.
    """
    if not is_name(source):
        return as_run(source)
    if str(source).startswith(irds.PREFIX):
        return irds.irds_run(str(source))
    if str(source).startswith(mteb_tasks.PREFIX):
        return mteb_data.mteb_run(str(source))
    return read_run(source, keep_first_duplicate=keep_first_duplicate)


def load_excluded(source: Name | Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Load the documents that may not be retrieved for a topic, by qid.

    Args:
        source: `mteb:TASK` (BRIGHT's `excluded_ids`; the queries that are documents in ArguAna), a file in the format
            of qrels, of which every document with a positive grade is excluded, or a mapping from qid to docids.

    Raises:
        InputError: the file cannot be read or is of another kind; the task is unknown or excludes none.
        MissingPrerequisiteError: `mteb:` without mteb, or not downloadable.
    """
    if isinstance(source, Mapping):
        return {str(qid): {str(docid) for docid in docids} for qid, docids in source.items()}
    if str(source).startswith(mteb_tasks.PREFIX):
        return {qid: set(docids) for qid, docids in mteb_data.mteb_excluded(str(source)).items()}
    qrels = read_qrels(source)
    return {qid: {docid for docid, grade in grades.items() if grade > 0} for qid, grades in qrels.items()}


def open_passages(source: Name | Mapping[str, str] | PassageSource) -> PassageSource:
    """Open the passages of a JSONL or TSV file, a folder of them, a Lucene index, `irds:ID`, `mteb:TASK`, or `pocket`.

    Args:
        source: a name, a mapping from docid to text, or a source that is already open.

    Raises:
        InputError: the file or id does not exist.
        MissingPrerequisiteError: `irds:` without ir_datasets or `mteb:` without mteb, or not downloadable; an index
        without Java.
    """
    if isinstance(source, Mapping):
        return MappedPassages(source)
    if not isinstance(source, str | Path):
        return source
    name = str(source)
    if name.startswith(irds.PREFIX):
        return irds.IrdsPassages(name)
    if name.startswith(mteb_tasks.PREFIX):
        return mteb_data.MtebPassages(name)
    if anserini.is_index(Path(source)):
        return anserini.IndexPassages(source)
    if _may_be_pyserinis(name):
        return _prebuilt_passages(name)
    return PassageFile(POCKET / "passages.jsonl" if name == "pocket" else source)


def instructed_topics(
    topics: Name | Any,
    instructions: Name | Mapping[str, str] | None = None,
    *,
    instruction: str | None = None,
    missing: MissingPolicy = "error",
    limit: int | None = None,
) -> list[Topic]:
    """Load topics with their instructions.

    Args:
        topics: as for `load_topics`; their own instructions are used if neither of the next two is given.
        instructions: as for `load_instructions`; may cover fewer or more topics.
        instruction: one instruction for every topic.
        missing: what to do if `instructions` has none for a topic: "error", or "skip" to use that topic without an
            instruction.
        limit: use only the first `limit` topics.

    Raises:
        InputError: a topic without an instruction, both kinds of instructions, or as `load_topics`.
        MissingPrerequisiteError: as `load_topics`.
    """
    if instruction is not None and instructions is not None:
        raise InputError("give either `instruction`, the same for every topic, or `instructions` by qid, not both")
    if instruction is not None and not instruction.strip():
        raise InputError("`instruction` is empty: omit it, or give it a text")
    if limit is not None and limit < 1:
        raise InputError(f"`limit` must be at least 1, got {limit}")
    loaded = load_topics(topics)[:limit]
    if instruction is not None:
        return [topic._replace(instruction=instruction) for topic in loaded]
    if instructions is None:
        return loaded
    by_qid = load_instructions(instructions)
    absent = [topic.qid for topic in loaded if not by_qid.get(topic.qid, "").strip()]
    if absent and missing == "error":
        name = instructions if is_name(instructions) else "`instructions`"
        raise InputError(f"{name} has no instruction for {len(absent)} of {len(loaded)} topics: {listed(absent)}")
    if absent:
        log.warning(
            f"{len(absent)} of {len(loaded)} topics have no instruction and are used without one: {listed(absent)}"
        )
    return [topic._replace(instruction=by_qid.get(topic.qid, "")) for topic in loaded]


def _load(
    source: str | Path,
    bundled: dict[str, str],
    read: Callable[[str | Path], _Found],
    by_prefix: Mapping[str, Callable[[str], _Found]],
    from_pyserini: Callable[[str], _Found],
) -> _Found:
    """Load from the source that a name refers to; files take precedence over names."""
    name = str(source)
    for prefix, load in by_prefix.items():
        if name.startswith(prefix):
            return load(name)
    if name in bundled:
        return read(POCKET / bundled[name])
    return from_pyserini(name) if _may_be_pyserinis(name) else read(source)


def _prebuilt_passages(name: str) -> PassageSource:
    try:
        return anserini.IndexPassages(name)
    except InputError as error:
        raise InputError(
            f"no passages at {name}: give a JSONL or TSV file, a folder of them, a Lucene index, irds:ID, mteb:TASK, "
            f"or one of Pyserini's names for an index"
        ) from error
    except MissingPrerequisiteError as error:
        raise MissingPrerequisiteError(
            f"no such file: {name}; looking for a Pyserini index of that name failed: {error}"
        ) from error


def _may_be_pyserinis(name: str) -> bool:
    """Return whether a source is not a file, does not look like one, and belongs to no other list of names."""
    elsewhere = name.startswith(PREFIX) or re.match(r"pocket$|pocket:|-$", name)
    like_a_file = re.search(r"[/\\]|\.(tsv|csv|txt|jsonl?|trec|topics|qrels?|gz)(:\w+)?$", name)
    return not elsewhere and not like_a_file and not Path(name).exists()


def _variants(pattern: str) -> dict[str, str]:
    original, changed = pattern.format("original"), pattern.format("changed")
    return {"pocket": original, "pocket:original": original, "pocket:changed": changed}
