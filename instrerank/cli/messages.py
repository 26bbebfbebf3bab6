"""Messages on standard error, through the logger `instrerank`, at the level set by --quiet and --verbose."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from instrerank.errors import InstrerankWarning

_COLOURS = {"red": 31, "green": 32, "yellow": 33}

log = logging.getLogger("instrerank")


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to the current standard error, whatever it is at that moment."""

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
        help="show only warnings and errors, no progress bars",
    )
    group.add_argument(
        "--verbose",
        dest="log_level",
        action="store_const",
        const=logging.DEBUG,
        help="also show what was found and loaded, and tracebacks of errors",
    )


@contextmanager
def messages_on_stderr() -> Iterator[Callable[[int], None]]:
    """Show messages of instrerank; a verb run inside another verb leaves this to the outer one.

    Yields:
        A function that sets the level from which messages are shown.
    """
    if log.handlers:
        yield lambda level: None
        return
    handler = _StandardError()
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False  # pyserini adds a handler to the root logger
    try:
        yield log.setLevel
    finally:
        log.removeHandler(handler)
        log.level, log.propagate = before


@contextmanager
def warnings_as_messages(in_flags: Callable[[str], str]) -> Iterator[None]:
    """Show our warnings like other messages, in the words of flags; those of libraries stay what they are."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def message(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, InstrerankWarning):
                log.warning(in_flags(str(message)))
            else:
                show(message, category, *place, **more)

        warnings.showwarning = message
        yield


def shows_progress() -> bool:
    """Return whether to show progress bars: standard error is a terminal, and --quiet is not set."""
    return sys.stderr.isatty() and log.isEnabledFor(logging.INFO)


def coloured(text: str, colour: str, stream: TextIO | None = None) -> str:
    """Return the text in colour if the stream (default: standard output) is a terminal and NO_COLOR is unset."""
    if os.environ.get("NO_COLOR") or not (stream or sys.stdout).isatty():
        return text
    return f"\033[{_COLOURS[colour]}m{text}\033[0m"
