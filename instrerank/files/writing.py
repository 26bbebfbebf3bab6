"""Text files out: whole or not at all, one process at a time, and nothing left behind by killed ones."""

from __future__ import annotations

import gzip
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
from pathlib import Path
from typing import IO, TextIO, cast

from instrerank.errors import InputError
from instrerank.files.places import is_standard_stream, is_stream, reason_of


def check_writable(path: str | Path) -> Path:
    """Create the folder of `path` and verify that it is writable before a long computation starts.

    Raises:
        InputError: the folder cannot be created or written to, or `path` is a folder.
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
        raise InputError(f"cannot write {path}: {reason_of(error)} ({path.parent})") from error
    return path


@contextmanager
def whole_file(path: str | Path, *, on_complete: Callable[[Path], None] | None = None) -> Iterator[TextIO]:
    r"""Open `path` for writing text atomically (UTF-8, `\n`, gzipped if the name ends in `.gz`).

    The text is written to a temporary file next to it, which is renamed to `path` only if the block ends without an
    error. Symbolic links are followed: the target is replaced, not the link. If `path` is not a regular file (a
    device, a FIFO, `-` for standard output), the text is written to it at the end of the block.

    Args:
        path: the file.
        on_complete: called with the complete file before it is renamed, for example to hash it.

    Raises:
        InputError: the folder cannot be written to, or the disk is full.
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
            raise InputError(f"cannot write {path}: {reason_of(error)}") from error
        raise


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
        raise InputError(f"cannot write {path}: {reason_of(error)}") from error


def partial_path(path: Path) -> Path:
    """Return a temporary name next to `path` that no other process, on any machine, uses."""
    host = re.sub(r"[^\w-]", "-", platform.node())[:40]
    return path.with_name(f".{path.name[:80]}.{host}.{os.getpid()}.{secrets.token_hex(4)}.partial")


def remove_abandoned(folder: Path, *, recursive: bool = False) -> None:
    """Remove partial files and folders left by processes of this machine that are no longer running."""
    host = re.sub(r"[^\w-]", "-", platform.node())[:40]
    for path in list(folder.rglob(".*.partial") if recursive else folder.glob(".*.partial")):
        match = re.search(r"\.([\w-]*)\.(\d+)\.[0-9a-f]{8}\.partial$", path.name)
        if match and match[1] == host and not _runs(int(match[2])):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def one_process(target: Path, *, folder: Path | None = None) -> Iterator[None]:
    """Keep other processes from writing `target` at the same time; the lock ends with its process.

    Args:
        target: the file or folder to write.
        folder: where to put the lock file; None: next to `target`.

    Raises:
        InputError: another process is writing `target`.
    """
    from filelock import FileLock, Timeout

    path = (folder or target.parent) / f".{target.name}.lock"
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"another process is writing {target}: wait for it, or choose another name") from None
    except OSError as error:
        raise InputError(f"cannot write {target}: {reason_of(error)} ({path})") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # still locked: a process that has opened it meanwhile finds it gone and gives up
        lock.release()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True
