"""Topics, qrels, passages and runs by whatever the user names: a file, `irds:ID`, or the bundled `pocket`."""

from __future__ import annotations

from pathlib import Path

from instrerank.collections.irds import PREFIX, IrdsPassages, irds_instructions, irds_qrels, irds_run, irds_topics
from instrerank.collections.passages import PassageFile, PassageSource
from instrerank.collections.pocket import POCKET
from instrerank.trec import Qrels, Run, Topic, read_instructions, read_qrels, read_run, read_topics


def load_topics(source: str | Path) -> list[Topic]:
    """Load topics from a file, `irds:ID`, or `pocket`.

    Raises:
        InputError: the file is not to be read, or holds something else.
        MissingPrerequisiteError: `irds:` without ir_datasets, or out of reach.
    """
    if str(source).startswith(PREFIX):
        return irds_topics(str(source))
    return read_topics(_bundled(source, {"pocket": "topics.tsv"}))


def load_instructions(source: str | Path) -> dict[str, str]:
    """Load instructions by qid from a file, the narratives of `irds:ID`, or `pocket` (`pocket:changed`).

    Raises:
        InputError: the file is not to be read, or holds something else.
        MissingPrerequisiteError: `irds:` without ir_datasets, or out of reach.
    """
    if str(source).startswith(PREFIX):
        return irds_instructions(str(source))
    return read_instructions(_bundled(source, _variants("instructions.{}.tsv")))


def load_qrels(source: str | Path) -> Qrels:
    """Load qrels from a file, `irds:ID`, or `pocket` (`pocket:changed`).

    Raises:
        InputError: the file is not to be read, or holds something else.
        MissingPrerequisiteError: `irds:` without ir_datasets, or out of reach.
    """
    if str(source).startswith(PREFIX):
        return irds_qrels(str(source))
    return read_qrels(_bundled(source, _variants("qrels.{}.txt")))


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
    """Open the passages of a JSONL or TSV file, a folder of them, `irds:ID`, or `pocket`.

    Raises:
        InputError: there is no such file, or no such id.
        MissingPrerequisiteError: `irds:` without ir_datasets, or out of reach.
    """
    if str(source).startswith(PREFIX):
        return IrdsPassages(str(source))
    return PassageFile(_bundled(source, {"pocket": "passages.jsonl"}))


def _bundled(source: str | Path, files: dict[str, str]) -> str | Path:
    """Return the path of a bundled file by its name, and everything else as it is."""
    return POCKET / files[str(source)] if str(source) in files else source


def _variants(pattern: str) -> dict[str, str]:
    original, changed = pattern.format("original"), pattern.format("changed")
    return {"pocket": original, "pocket:original": original, "pocket:changed": changed}
