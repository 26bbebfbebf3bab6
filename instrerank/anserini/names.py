"""Topics, instructions and qrels by Pyserini's names for them, such as `dl19-passage`."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from instrerank.anserini.jvm import java_class, reason, start_jvm
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.trec import Qrels, Topic, read_qrels

_Found = TypeVar("_Found")


def named_topics(name: str) -> list[Topic]:
    """Return the topics with this name, with their titles as text.

    Raises:
        InputError: unknown name.
        MissingPrerequisiteError: pyserini or Java is missing, or the topics are neither cached nor downloadable.
    """
    return [Topic(qid, text) for qid, text in _field_of_topics(name, "title").items()]


def named_instructions(name: str) -> dict[str, str]:
    """Return the narratives of the topics with this name, by qid, as instructions; raises as `named_topics`."""
    return _field_of_topics(name, "narrative")


def named_qrels(name: str) -> Qrels:
    """Return the qrels with this name; raises as `named_topics`."""

    def ask() -> str:
        from pyserini.search import get_qrels_file

        return str(get_qrels_file(name))

    return read_qrels(_ask_pyserini(name, "qrels", ask))


def _field_of_topics(name: str, field: str) -> dict[str, str]:
    """Return one field of the topics by qid.

    Pyserini converts all-digit qids to numbers, so leading zeros are lost.
    """

    def ask() -> dict[str | int, dict[str, str]]:
        from pyserini.search import get_topics

        found: dict[str | int, dict[str, str]] = get_topics(name)
        return found

    topics = _ask_pyserini(name, "topics", ask)
    if not all((fields.get(field) or "").strip() for fields in topics.values()):
        fields_there = sorted({field for fields in topics.values() for field in fields})
        raise InputError(f"{name}: not every topic has a {field}; fields of the topics: {', '.join(fields_there)}")
    return {str(qid): fields[field] for qid, fields in topics.items()}


def _ask_pyserini(name: str, what: str, ask: Callable[[], _Found]) -> _Found:
    try:
        start_jvm()
    except MissingPrerequisiteError as error:
        raise MissingPrerequisiteError(
            f"no such file: {name}; looking for Pyserini {what} of that name failed: {error}"
        ) from error
    from jnius import JavaException

    try:
        with _prints_to_stderr():
            return ask()
    except (JavaException, OSError, ValueError) as error:
        if re.search("not found$|^no qrels file", str(error), re.IGNORECASE):
            raise InputError(f"cannot read {name}: no such file, and Pyserini has no {what} of that name") from error
        raise MissingPrerequisiteError(
            f"no such file: {name}, and {what} of that name cannot be obtained from Pyserini ({reason(error)}): "
            f"give a file, or run this once with network access, so that Pyserini caches them"
        ) from error


@contextlib.contextmanager
def _prints_to_stderr() -> Iterator[None]:
    """Redirect Pyserini's and Anserini's messages about downloads to standard error."""
    system: Any = java_class("java.lang.System")
    out = system.out
    system.setOut(system.err)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        system.setOut(out)
