"""Files in and out: UTF-8 or a clear error, gzip by suffix, whole files or none, `-` for the standard streams."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import platform
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, TextIO, cast

from instrerank.errors import InputError


def is_standard_stream(path: str | Path) -> bool:
    """Return whether `-` is meant: standard input where one reads, standard output where one writes."""
    return str(path) == "-"


def is_stream(path: str | Path) -> bool:
    """Return whether `-`, a device or a FIFO is meant: it is written into, never replaced, and has no sidecar."""
    path = Path(path)
    if is_standard_stream(path) or str(path).startswith(("/dev/", "/proc/")):
        return is_standard_stream(path) or path.exists()
    return path.exists() and not path.is_file() and not path.is_dir()


@cache
def _standard_input() -> bytes:
    """Return all of standard input, kept for whoever reads it twice (`check`, and the hash of a sidecar)."""
    return sys.stdin.buffer.read()


def _open_bytes(path: Path) -> io.BufferedReader | io.BytesIO:
    if is_standard_stream(path):
        return io.BytesIO(_standard_input())
    return path.open("rb")


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    r"""Yield (line number from 1, line without its end) of a UTF-8 text file, gzipped when it ends in `.gz`.

    Lines end at `\n` or `\r\n` only: passages may hold U+0085 and the like, at which `str.splitlines` would
    break. A byte order mark at the start is dropped.

    Raises:
        InputError: the file cannot be read, or is not UTF-8 (named with its line).
    """
    path = Path(path)
    number = 0
    try:
        with _open_bytes(path) as raw_file, gzip.open(raw_file) if path.suffix == ".gz" else raw_file as file:
            for number, raw in enumerate(file, start=1):
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                yield number, line.rstrip("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, line {number}: not UTF-8 ({error.reason} at byte {error.start} of the line). "
            f"Convert it first, for example: iconv -f LATIN1 -t UTF-8 {path}"
        ) from error
    except (OSError, EOFError) as error:
        raise InputError(f"cannot read {path}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def check_writable(path: str | Path) -> Path:
    """Create the folder of `path` and prove that it can be written, before long work starts.

    Raises:
        InputError: the folder cannot be made or written, or `path` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give the name of a file")
    if is_stream(path):
        return path
    try:
        folder = path.resolve().parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
        raise InputError(f"cannot write {path}: {_reason(error)} ({path.parent})") from error
    return path


@contextmanager
def whole_file(path: str | Path, *, on_complete: Callable[[Path], None] | None = None) -> Iterator[TextIO]:
    r"""Open `path` for writing text (UTF-8, `\n`, gzip when it ends in `.gz`): it appears whole or not at all.

    The text goes to a file beside it, which takes the name of `path` only when the block ends without error. A link
    is followed: what it points to is replaced, not the link. Into what is no regular file (a device, a FIFO, `-` for
    standard output) the whole text is written when the block has ended.

    Args:
        path: of the file.
        on_complete: called with the complete file before it takes its name, such as for its hash.

    Raises:
        InputError: the folder cannot be written, or the disk is full.
    """
    path = check_writable(path)
    if is_stream(path):
        whole = io.StringIO()
        yield whole
        _write_stream(path, whole.getvalue().encode())
        return
    compressed, path = path.suffix == ".gz", path.resolve()
    beside = partial_path(path)
    try:
        with beside.open("wb") as raw:
            # gzip without name and time: the same text gives the same bytes
            packed = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if compressed else None
            with io.TextIOWrapper(cast(IO[bytes], packed or raw), "utf-8", newline="\n") as text:
                yield text
        if on_complete is not None:
            on_complete(beside)
        beside.replace(path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"cannot write {path}: {_reason(error)}") from error
        raise


def partial_path(path: Path) -> Path:
    """Return a name beside `path` for what is not complete yet; no two processes, on whatever machine, share one."""
    host = re.sub(r"[^\w-]", "-", platform.node())[:40]
    return path.with_name(f".{path.name[:80]}.{host}.{os.getpid()}.{secrets.token_hex(4)}.partial")


def remove_abandoned(folder: Path, *, recursive: bool = False) -> None:
    """Remove the partial files and folders of processes of this machine that no longer run."""
    host = re.sub(r"[^\w-]", "-", platform.node())[:40]
    for path in list(folder.rglob(".*.partial") if recursive else folder.glob(".*.partial")):
        match = re.search(r"\.([\w-]*)\.(\d+)\.[0-9a-f]{8}\.partial$", path.name)
        if match and match[1] == host and not _runs(int(match[2])):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


def _write_stream(path: Path, content: bytes) -> None:
    if is_standard_stream(path):
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        with path.open("wb") as stream:
            stream.write(content)
    except OSError as error:
        raise InputError(f"cannot write {path}: {_reason(error)}") from error


def cache_folder() -> Path:
    """Return the folder of what is kept between runs: `$INSTRERANK_CACHE`, else `~/.cache/instrerank`."""
    return Path(os.environ.get("INSTRERANK_CACHE", "~/.cache/instrerank")).expanduser()


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as hex digits."""
    with _open_bytes(Path(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
