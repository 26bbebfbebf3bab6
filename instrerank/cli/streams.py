"""Standard streams as they come: closed, full, or of an encoding that lacks our characters."""

from __future__ import annotations

import codecs
import os
import sys
from typing import TextIO, cast

_PLAIN = str.maketrans(
    {"×": "x", "·": "*", "−": "-", "–": "-", "→": "->", "…": "...", "≥": ">=", "≤": "<=", "±": "+-"}
)
"""What a terminal without Unicode shows in place of what our messages and tables use."""


def prepare_streams() -> None:
    """Make standard streams usable for whatever is printed.

    A closed descriptor would be the number of the next file that is opened, which then gets the messages of whatever
    library writes there: the null device takes its place. Standard output then is open for reading only, so that it
    is an error to write results to it, as with the core utilities.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)
    if sys.stdout is None:
        sys.stdout = _writer(1)
    if sys.stderr is None:
        sys.stderr = _writer(2)
    codecs.register_error("instrerank", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not those of a test or a notebook
            stream.reconfigure(errors="instrerank")


def discard_output() -> None:
    """Let what is still in the buffer of standard output go nowhere, else Python complains when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # a stream without descriptor
        return


def _writer(number: int) -> TextIO:
    return cast(TextIO, open(number, "w", encoding="utf-8", closefd=False))


def _plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace"), error.end
