"""Folders as collections: BEIR's layout, and folders that contain only passage files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from instrerank.errors import InputError
from instrerank.files import parse_json, read_lines
from instrerank.trec.problems import listed
from instrerank.trec.records import DOCIDS, QIDS, TEXTS, pick

_SUFFIXES = (".jsonl", ".json", ".tsv", ".txt")
_OTHERS = re.compile(
    r"(.*[\W_])?(topics?|quer(y|ies)|qrels?|runs?|instructions?|judge?ments?|narratives?)([\W_].*)?", re.IGNORECASE
)
_NOTES = re.compile(
    r"(readme|licen[sc]e|citation|changelog)\b.*|.*\.(md|ya?ml|md5|sha\d*|html?|pdf|log|py|sh)", re.IGNORECASE
)
"""Names of files that cannot be mistaken for passages and may be in the folder."""


def beir_part(folder: Path, part: Literal["corpus", "queries"]) -> Path | None:
    """Return `corpus.jsonl` or `queries.jsonl` (gzipped or not) from a folder in BEIR's layout, else None.

    BEIR's layout is `corpus.jsonl` together with `queries.jsonl` or a folder `qrels`.

    Raises:
        InputError: the folder contains both a gzipped and a plain version.
    """
    found = {name: [path for path in _both(folder, name) if path.is_file()] for name in ("corpus", "queries")}
    if not found["corpus"] or not (found["queries"] or (folder / "qrels").is_dir()):
        return None
    if len(found[part]) > 1:
        raise InputError(f"{folder} contains both {part}.jsonl and {part}.jsonl.gz: give the file to use")
    return found[part][0] if found[part] else None


def _both(folder: Path, name: str) -> list[Path]:
    return [folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"]


def topics_file(source: str | Path) -> str | Path:
    """Return the file to read topics from: `queries.jsonl` of a folder in BEIR's layout, or the source itself.

    Raises:
        InputError: a folder in another layout.
    """
    folder = Path(source)
    if not folder.is_dir():
        return source
    queries = beir_part(folder, "queries")
    if queries is None:
        raise InputError(f"{folder} is a folder, but not in BEIR's layout (corpus.jsonl, queries.jsonl): give a file")
    return queries


def passage_files(folder: Path) -> list[Path]:
    """Return the files in a folder of passages, sorted by name.

    Raises:
        InputError: there are none, or the folder also contains something else: topics, qrels or runs, which would be
            read as passages, or folders and files in other formats, which would be skipped.
    """
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    entries = [path for path in entries if path.is_dir() or not _NOTES.fullmatch(path.name)]
    files = [path for path in entries if path.is_file() and _may_hold_passages(path)]
    if not files:
        there = listed([path.name for path in entries]) or "nothing"
        raise InputError(f"{folder} contains no {', '.join(_SUFFIXES)} file (gzipped or not); found {there}")
    others = [f"{path.name} ({what})" for path in files if (what := _what_else(path))]
    others += [f"{path.name} ({'a folder' if path.is_dir() else 'not read'})" for path in entries if path not in files]
    if others:
        raise InputError(f"{folder} contains more than passages: {listed(others)}; give the file with the passages")
    return files


def _may_hold_passages(path: Path) -> bool:
    bare = Path(path.name.removesuffix(".gz"))
    # MS MARCO V2 names its files msmarco_passage_00.gz
    return bare.suffix in _SUFFIXES or (path.suffix == ".gz" and not re.fullmatch(r"\.[a-zA-Z]+", bare.suffix))


def _what_else(path: Path) -> str:
    """Return what a file contains, if not passages, judging by its name and first line; else ""."""
    if _OTHERS.fullmatch(path.name.split(".gz")[0]):
        return "not passages, judging by its name"
    number, line = next(((number, line) for number, line in read_lines(path) if line.strip()), (0, ""))
    columns = line.split("\t") if "\t" in line else line.split()
    if line.startswith("{") and line.rstrip().endswith("}"):
        fields = parse_json(line, f"{path}:{number}")
        if pick(fields, DOCIDS) is None or pick(fields, TEXTS) is None:
            return "topics or instructions" if pick(fields, QIDS) is not None else "not passages"
    elif line.lstrip().startswith("<"):
        return "markup"
    elif len(columns) in (3, 4, 6) and all(re.fullmatch(r"-?\d+(\.\d+)?", column) for column in columns[3:5]):
        return "qrels or a run" if len(columns) > 3 or re.fullmatch(r"\d+", columns[2]) else ""
    elif line and not line.lstrip().startswith(("{", "[")) and "\t" not in line:
        return "neither JSON nor tab-separated"
    return ""
