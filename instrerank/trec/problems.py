"""What is wrong with a file: every problem with its line, told at once rather than one at a time."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from instrerank.errors import InputError


class Problem(NamedTuple):
    """One thing wrong with a file; `line` counts from 1, and is 0 where the whole file is meant."""

    line: int
    message: str
    warning: bool = False


_MOST = 100_000


class Problems:
    """Collects what a reader finds wrong with one file, up to a number that nobody reads to the end."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.found: list[Problem] = []
        self._counts = {False: 0, True: 0}  # by whether it is a warning

    def add(self, line: int, message: str, *, warning: bool = False) -> None:
        """Note a problem; a warning is shown by `check` and does not stop a reader.

        Raises:
            InputError: so many errors that the file must be of another kind, or made to fill the memory.
        """
        self._counts[warning] += 1
        if self._counts[warning] <= _MOST:
            self.found.append(Problem(line, message, warning))
        elif not warning:
            first = self.describe(self.errors[0])
            raise InputError(f"{self.path}: more than {_MOST:,} errors, so reading stopped; the first: {first}")
        elif self._counts[warning] == _MOST + 1:
            self.found.append(Problem(0, f"more than {_MOST:,} warnings; the others are not listed", warning))

    def add_once(self, line: int, message: str, *, warning: bool = False) -> None:
        """Note what may be wrong with every line, for the first of them."""
        if all(problem.message != message for problem in self.found):
            self.add(line, message, warning=warning)

    def add_error(self, error: InputError, line: int = 0) -> None:
        """Note what another reader raised of this file, at the line that it names, or else at `line`."""
        place = re.match(rf"{re.escape(str(self.path))}:(\d+): ", str(error))
        message = str(error)[place.end() if place else 0 :].removeprefix(f"{self.path}: ")
        self.found.append(Problem(int(place[1]) if place else line, message))

    @property
    def errors(self) -> list[Problem]:
        """The problems that are not mere warnings."""
        return [problem for problem in self.found if not problem.warning]

    def describe(self, problem: Problem) -> str:
        """Return `FILE:LINE: message`, the form that editors jump to."""
        place = f"{self.path}:{problem.line}" if problem.line else str(self.path)
        return f"{place}: {'warning: ' if problem.warning else ''}{problem.message}"

    def raise_errors(self, shown: int = 3) -> None:
        """Raise what was found, if any of it is an error.

        Raises:
            InputError: names the first `shown` errors and counts the rest.
        """
        errors = sorted(self.errors)
        if errors:
            lines = [self.describe(problem) for problem in errors[:shown]]
            if len(errors) > shown:
                lines.append(f"… and {len(errors) - shown} more; list them all with: instrerank check {self.path}")
            raise InputError("\n".join(lines))


def listed(names: list[str], shown: int = 5) -> str:
    """Return the first few names and the count of the rest: `a, b, c (and 7 more)`."""
    rest = len(names) - shown
    return ", ".join(str(name) for name in names[:shown]) + (f" (and {rest} more)" if rest > 0 else "")


def own_documents(docids: Mapping[str, Collection[str]]) -> str:
    """Say that topics find themselves: in ArguAna and Quora the queries are documents, with their qids as docids.

    Args:
        docids: the documents of each topic.

    Returns:
        A warning where half of the topics or more do, else "".
    """
    found = [qid for qid, ranked in docids.items() if qid in ranked]
    if not found or 2 * len(found) < len(docids):
        return ""
    return (
        f"{len(found)} of {len(docids)} topics have a document with their own qid as docid: {listed(found)}; if the "
        f"queries are part of the collection, as in ArguAna and Quora, take these rows out (awk '$1 != $3')"
    )
