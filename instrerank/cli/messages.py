"""What verbs tell on standard error: through the logger `instrerank`, as much as --quiet and --verbose ask for."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_COLOURS = {"red": 31, "green": 32, "yellow": 33}

log = logging.getLogger("instrerank")


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at that moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def add_message_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --quiet and --verbose."""
    group = parser.add_argument_group("messages on standard error").add_mutually_exclusive_group()
    group.add_argument(
        "--quiet",
        dest="log_level",
        action="store_const",
        const=logging.WARNING,
        default=logging.INFO,
        help="only warnings and errors, no progress",
    )
    group.add_argument(
        "--verbose",
        dest="log_level",
        action="store_const",
        const=logging.DEBUG,
        help="also what was found and loaded, and the traceback of an error",
    )


@contextmanager
def messages_on_stderr() -> Iterator[Callable[[int], None]]:
    """Show the messages of instrerank; a verb that runs within a verb leaves it to the outer one.

    Yields:
        Sets the level from which on messages are shown.
    """
    if log.handlers:
        yield lambda level: None
        return
    handler = _StandardError()
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False  # pyserini gives the root logger a handler of its own
    try:
        yield log.setLevel
    finally:
        log.removeHandler(handler)
        log.level, log.propagate = before


def shows_progress() -> bool:
    """Say whether a progress bar has somebody to look at it."""
    return sys.stderr.isatty() and log.isEnabledFor(logging.INFO)


def coloured(text: str, colour: str, stream: TextIO | None = None) -> str:
    """Return the text in red, green or yellow where the stream (standard output) is a terminal and NO_COLOR unset."""
    if os.environ.get("NO_COLOR") or not (stream or sys.stdout).isatty():
        return text
    return f"\033[{_COLOURS[colour]}m{text}\033[0m"
