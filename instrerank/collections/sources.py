"""Topics, qrels and passages by whatever the user names: a file, `irds:ID`, or the bundled `pocket`."""

from __future__ import annotations

from pathlib import Path

from instrerank.collections.irds import PREFIX, IrdsPassages, irds_instructions, irds_qrels, irds_topics
from instrerank.collections.passages import PassageFile, PassageSource
from instrerank.collections.pocket import POCKET
from instrerank.trec import Qrels, Topic, read_instructions, read_qrels, read_topics


def load_topics(source: str | Path) -> list[Topic]:
    """Load topics from a file, `irds:ID`, or `pocket` (as queries only: its instructions are files beside).

    Raises:
        InputError: the file is not to be read, or holds something else.
        MissingPrerequisiteError: `irds:` without ir_datasets.
    """
    if str(source).startswith(PREFIX):
        return irds_topics(str(source))
    return read_topics(POCKET / "topics.tsv" if str(source) == "pocket" else source)


def load_qrels(source: str | Path) -> Qrels:
    """Load qrels from a file, `irds:ID`, or `pocket` (those of the original instructions).

    Raises:
        InputError: the file is not to be read, or holds something else.
        MissingPrerequisiteError: `irds:` without ir_datasets.
    """
    if str(source).startswith(PREFIX):
        return irds_qrels(str(source))
    return read_qrels(POCKET / "qrels.original.txt" if str(source) == "pocket" else source)


def load_instructions(source: str | Path) -> dict[str, str]:
    """Load instructions by qid from a file, the narratives of `irds:ID`, or `pocket` (the original ones).

    Raises:
        InputError: the file is not to be read, or holds something else.
    """
    if str(source).startswith(PREFIX):
        return irds_instructions(str(source))
    return read_instructions(POCKET / "instructions.original.tsv" if str(source) == "pocket" else source)


def open_passages(source: str | Path) -> PassageSource:
    """Open the passages of a JSONL or TSV file, a folder of them, `irds:ID`, or `pocket`.

    Raises:
        InputError: there is no such file, or no such id.
        MissingPrerequisiteError: `irds:` without ir_datasets.
    """
    if str(source).startswith(PREFIX):
        return IrdsPassages(str(source))
    return PassageFile(POCKET / "passages.jsonl" if str(source) == "pocket" else source)
