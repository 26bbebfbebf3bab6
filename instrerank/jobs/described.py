"""How sidecars identify inputs and commands: files by path and hash, objects in memory by hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii
from typing import Any

from instrerank.collections import mteb_tasks
from instrerank.collections.loaded import file_and_variant, is_name
from instrerank.files import is_standard_stream, sha256
from instrerank.trec import Run, Topic

IN_MEMORY = "in memory"
"""The source of objects in memory."""


def described_source(source: Any, loaded: Any = None) -> dict[str, Any]:
    """Return what identifies an input: a file's path and hash, a name and its dataset, or the hash of an object.

    Args:
        source: a path, a name, or an object in memory.
        loaded: what was loaded from the object: a `Run`, topics, or anything that JSON can represent.
    """
    if not is_name(source):
        return {"source": IN_MEMORY, "sha256": _hash(loaded if loaded is not None else source)}
    path, _ = file_and_variant(source)
    if is_standard_stream(source) or path.is_file():
        return {"source": str(source), "sha256": sha256(path)}
    return {"source": str(source), **_dataset(source)}


def described_instructions(
    instructions: Any, instruction: str | None, topics: Iterable[Topic] | None = None
) -> dict[str, Any]:
    """Return what identifies the instructions: their source, the one text for all topics, or `none`."""
    if instruction is not None:
        return {"source": instruction}
    if instructions is None:
        return {"source": "none"}
    return described_source(instructions, {topic.qid: topic.instruction for topic in topics or ()})


def described_texts(source: Any, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what identifies the passages of a run: their source, and a hash of those that were used."""
    digest = hashlib.sha256()
    for docid in sorted(texts):
        # json.dumps([docid, text]), three times as fast
        digest.update(f"[{encode_basestring_ascii(docid)}, {encode_basestring_ascii(texts[docid])}]".encode())
    return {"source": name_of(source), **_dataset(source), "sha256 of candidates": digest.hexdigest()}


def _dataset(source: Any) -> dict[str, str]:
    """Return the dataset and its revision that a name stands for; empty for other names and objects."""
    if not is_name(source) or not str(source).startswith(mteb_tasks.PREFIX):
        return {}
    dataset = mteb_tasks.find_task(str(source))[0].metadata.dataset
    return {"dataset": str(dataset["path"]), "revision": str(dataset["revision"])}


def name_of(source: Any) -> str:
    """Return the name of a source on the command line; objects without a name get one that no file has."""
    if is_name(source):
        return str(source)
    return str(getattr(source, "name", None) or IN_MEMORY)


def command(verb: str, flags: Mapping[str, object]) -> list[str]:
    """Return the words of a command; `True` is a flag without value, `None` and `False` are left out."""
    words = ["instrerank", verb]
    for flag, value in flags.items():
        if value is True:
            words.append(flag)
        elif isinstance(value, list | tuple):
            words += [word for each in value for word in (flag, str(each))]
        elif value is not None and value is not False:
            words += [flag, str(value)]
    return words


def _hash(content: Any) -> str:
    if isinstance(content, Run):
        content = dict(content.rankings)
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()
