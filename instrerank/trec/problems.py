"""Problems found in a file, collected with their lines and reported together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from instrerank.errors import InputError


class Problem(NamedTuple):
    """One problem in a file; `line` starts at 1, and 0 stands for the whole file."""

    line: int
    message: str
    warning: bool = False


_MOST = 100_000


class Problems:
    """Collects the problems that a reader finds in one file, up to a limit."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.found: list[Problem] = []
        self._counts = {False: 0, True: 0}  # by whether it is a warning

    def add(self, line: int, message: str, *, warning: bool = False) -> None:
        """Record a problem; warnings are shown by `check` and do not stop a reader.

        Raises:
            InputError: too many errors; the file is probably of another kind.
        """
        self._counts[warning] += 1
        if self._counts[warning] <= _MOST:
            self.found.append(Problem(line, message, warning))
        elif not warning:
            first = self.describe(self.errors[0])
            raise InputError(f"{self.path}: more than {_MOST:,} errors; stopped reading. First error: {first}")
        elif self._counts[warning] == _MOST + 1:
            self.found.append(Problem(0, f"more than {_MOST:,} warnings; the rest are not listed", warning))

    def add_once(self, line: int, message: str, *, warning: bool = False) -> None:
        """Record a problem that may affect every line, only the first time."""
        if all(problem.message != message for problem in self.found):
            self.add(line, message, warning=warning)

    def add_error(self, error: InputError, line: int = 0) -> None:
        """Record an error that another reader raised for this file, at the line it names, or else at `line`."""
        place = re.match(rf"{re.escape(str(self.path))}:(\d+): ", str(error))
        message = str(error)[place.end() if place else 0 :].removeprefix(f"{self.path}: ")
        self.found.append(Problem(int(place[1]) if place else line, message))

    @property
    def errors(self) -> list[Problem]:
        """The problems other than warnings."""
        return [problem for problem in self.found if not problem.warning]

    def describe(self, problem: Problem) -> str:
        """Return `FILE:LINE: message`, the form that editors can jump to."""
        place = f"{self.path}:{problem.line}" if problem.line else str(self.path)
        return f"{place}: {'warning: ' if problem.warning else ''}{problem.message}"

    def raise_errors(self, shown: int = 3) -> None:
        """Raise if any of the problems is an error.

        Raises:
            InputError: lists the first `shown` errors and counts the rest.
        """
        errors = sorted(self.errors)
        if errors:
            lines = [self.describe(problem) for problem in errors[:shown]]
            if len(errors) > shown:
                lines.append(f"… and {len(errors) - shown} more; to list all: instrerank check {self.path}")
            raise InputError("\n".join(lines))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the singular or plural: `1 topic`, `2 queries`."""
    if number != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun}"


def listed(names: Sequence[str], shown: int = 5) -> str:
    """Return the first few names and the number of the others: `a, b, c (and 7 more)`."""
    rest = len(names) - shown
    return ", ".join(str(name) for name in names[:shown]) + (f" (and {rest} more)" if rest > 0 else "")


def own_documents(found: Sequence[str], topics: int) -> str:
    """Warn if topics retrieve themselves: in ArguAna and Quora, queries are documents and share their ids.

    Args:
        found: qids of the topics that rank a document with their own id.
        topics: number of topics.

    Returns:
        A warning if at least half of the topics do, else "".
    """
    if not found or 2 * len(found) < topics:
        return ""
    return (
        f"{len(found)} of {topics} topics rank a document whose docid is their own qid: {listed(found)}; if the "
        f"queries are part of the collection, as in ArguAna and Quora, drop these rows when searching or evaluating "
        f"(remove_query)"
    )
