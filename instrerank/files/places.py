"""Paths: streams told apart from files, the home folder, why the system refuses."""

from __future__ import annotations

import os
import re
from pathlib import Path

from instrerank.errors import InputError


def is_standard_stream(path: str | Path) -> bool:
    """Return whether the path is `-`: standard input when reading, standard output when writing."""
    return str(path) == "-"


def is_stream(path: str | Path) -> bool:
    """Return whether the path is `-`, a device or a FIFO, which is written to, never replaced, and has no sidecar."""
    path = Path(path)
    # those may lead to a regular file, which the shell has opened
    if is_standard_stream(path) or re.fullmatch(r"/dev/(stdin|stdout|stderr|fd/\d+)|/proc/\w+/fd/\d+", str(path)):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def cache_folder() -> Path:
    """Return the cache folder: `$INSTRERANK_CACHE`, or else `~/.cache/instrerank`.

    Raises:
        InputError: the user's home folder is not known.
    """
    return expanded(os.environ.get("INSTRERANK_CACHE", "~/.cache/instrerank"))


def expanded(path: str | Path) -> Path:
    """Return a path with `~` replaced by the home folder.

    Raises:
        InputError: the home folder is not known: HOME is unset, and the user has no passwd entry.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{path}: this user has no home folder: set HOME, or INSTRERANK_CACHE for the cache"
        ) from error


def reason_of(error: BaseException) -> str:
    """Return in a few words why the system refuses."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
