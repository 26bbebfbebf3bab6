"""Topics, instructions and qrels by the names that Pyserini has for them, such as `dl19-passage`."""

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
    """Return the topics of a name, their titles as text.

    Raises:
        InputError: no such name.
        MissingPrerequisiteError: no pyserini, no Java, or neither cache nor network.
    """
    return [Topic(qid, text) for qid, text in _field_of_topics(name, "title").items()]


def named_instructions(name: str) -> dict[str, str]:
    """Return by qid the narratives of a name's topics, which serve as instructions; errors as `named_topics`."""
    return _field_of_topics(name, "narrative")


def named_qrels(name: str) -> Qrels:
    """Return the qrels of a name; errors as `named_topics`."""

    def ask() -> str:
        from pyserini.search import get_qrels_file

        return str(get_qrels_file(name))

    return read_qrels(_ask_pyserini(name, "qrels", ask))


def _field_of_topics(name: str, field: str) -> dict[str, str]:
    """Return one field of the topics by qid.

    Pyserini makes numbers of qids that are all digits, so their leading zeros, if there are any, are lost.
    """

    def ask() -> dict[str | int, dict[str, str]]:
        from pyserini.search import get_topics

        found: dict[str | int, dict[str, str]] = get_topics(name)
        return found

    topics = _ask_pyserini(name, "topics", ask)
    if not all((fields.get(field) or "").strip() for fields in topics.values()):
        fields_there = sorted({field for fields in topics.values() for field in fields})
        raise InputError(f"{name}: not each of its topics has a {field}; they have {', '.join(fields_there)}")
    return {str(qid): fields[field] for qid, fields in topics.items()}


def _ask_pyserini(name: str, what: str, ask: Callable[[], _Found]) -> _Found:
    try:
        start_jvm()
    except MissingPrerequisiteError as error:
        raise MissingPrerequisiteError(f"there is no file {name}; {what} of Pyserini by name: {error}") from error
    from jnius import JavaException

    try:
        with _prints_to_stderr():
            return ask()
    except (JavaException, OSError, ValueError) as error:
        if re.search("not found$|^no qrels file", str(error), re.IGNORECASE):
            raise InputError(f"cannot read {name}: there is no such file, and no such {what} in Pyserini") from error
        raise MissingPrerequisiteError(
            f"there is no file {name}, and {what} of that name cannot be had from Pyserini ({reason(error)}): "
            f"give a file, or run this once where there is a network; Pyserini's cache keeps them"
        ) from error


@contextlib.contextmanager
def _prints_to_stderr() -> Iterator[None]:
    """Keep what Pyserini and Anserini say about downloads out of our output."""
    system: Any = java_class("java.lang.System")
    out = system.out
    system.setOut(system.err)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        system.setOut(out)
