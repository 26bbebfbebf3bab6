"""Reading and writing files: UTF-8 or a clear error, gzip by suffix, atomic writes, `-` for the standard streams."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import re
import secrets
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any, TextIO, cast

from instrerank.errors import InputError

_LONGEST_LINE = 256 << 20
_BOMB_SIZE, _BOMB_RATIO = 64 << 20, 200  # text does not shrink to less than a hundredth; deflate's limit is 1032
_MOST_VALUES = 100_000
_BLOCK = 1 << 18
_NEWLINE = b"\n"
_BOM = "\ufeff"

_TRUE_NAMES: tuple[tuple[bytes, str], ...] = (
    (rb"\x1f\x8b", "gzip data, but its name does not end in .gz: rename it"),
    (rb"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first (zstd -d)"),
    (rb"BZh[1-9](1AY&SY|\x17\x72\x45)", "compressed with bzip2: unpack it first (bunzip2)"),
    (rb"\xfd7zXZ\0", "compressed with xz: unpack it first (unxz)"),
    (rb"\x04\x22\x4d\x18", "compressed with lz4: unpack it first (lz4 -d)"),
    (rb"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (rb"PK(\x03\x04|\x05\x06)", "a zip archive (or an office document): unpack it first"),
    (rb"(?s).{257}ustar", "a tar archive: unpack it first (tar xf)"),
    (rb"PAR1[\x00-\x1f]", "a Parquet file: export it as JSONL first, e.g. with pandas or DuckDB"),
    (rb"ARROW1\0", "an Arrow file: export it as JSONL first"),
    (rb"(?s)\xff\xff\xff\xff.{4}\x10\0\0\0", "an Arrow file: export it as JSONL first"),
    (rb"SQLite format 3\0", "an SQLite database: export it as JSONL first"),
    (rb"\x89HDF|\x93NUMPY", "a file of arrays (HDF5 or NumPy), not text"),
    (rb"\x80[\x02-\x05][\x00-\x1f\x28-\x7f\x80-\xff]", "a Python pickle: export it as JSONL first"),
    (rb"%PDF-", "a PDF document, not text"),
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", "UTF-32: convert it first (iconv -f UTF-32 -t UTF-8)"),
    (rb"\xff\xfe|\xfe\xff", "UTF-16: convert it first (iconv -f UTF-16 -t UTF-8)"),
    (rb"([^\0]\0){4}", "UTF-16 without a byte order mark: convert it first (iconv -f UTF-16LE -t UTF-8)"),
    (rb"(\0[^\0]){4}", "UTF-16 without a byte order mark: convert it first (iconv -f UTF-16BE -t UTF-8)"),
    (rb"version https://git-lfs", "a Git LFS pointer, not the file itself: fetch the file (git lfs pull)"),
    (rb"(?i)\s*(<!doctype html|<html[\s>])", "a web page (HTML), perhaps from a failed download"),
)
"""Patterns of a file's first bytes, each with what they identify."""


def is_standard_stream(path: str | Path) -> bool:
    """Return whether the path is `-`: standard input when reading, standard output when writing."""
    return str(path) == "-"


def is_stream(path: str | Path) -> bool:
    """Return whether the path is `-`, a device or a FIFO, which is written to, never replaced, and has no sidecar."""
    path = Path(path)
    if is_standard_stream(path) or str(path).startswith(("/dev/", "/proc/")):
        return is_standard_stream(path) or path.exists()
    return path.exists() and not path.is_file() and not path.is_dir()


@cache
def _standard_input() -> bytes:
    """Return all of standard input, cached for callers that read it twice (`check`, and the hash in a sidecar)."""
    if sys.stdin is None:
        raise InputError("cannot read -: standard input is closed")
    return sys.stdin.buffer.read()


@cache
def _piped(path: Path) -> bytes:
    """Return everything from a process substitution, `<(command)`, which can be read only once."""
    return path.read_bytes()


def _open_bytes(path: Path) -> io.BufferedReader:
    if is_standard_stream(path):
        return _buffered(io.BytesIO(_standard_input()))
    if str(path).startswith(("/dev/fd/", "/dev/stdin", "/proc/self/fd/")):
        return _buffered(io.BytesIO(_piped(path)))
    return path.open("rb")


def _buffered(stream: io.BufferedIOBase) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, stream), 1 << 18)


class _Unpacked(gzip.GzipFile):
    """A gzipped file that refuses to unpack at a ratio no text reaches (a decompression bomb)."""

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(size)
        packed = cast(io.BufferedReader, self.fileobj)
        if self.tell() > _BOMB_SIZE and packed.seekable() and self.tell() > _BOMB_RATIO * packed.tell():
            raise InputError(
                f"cannot read {self.name}: it unpacks to more than {_BOMB_RATIO} times its size, which no text does"
            )
        return block


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    r"""Yield (line number, line without its line ending) from a UTF-8 text file, gzipped if its name ends in `.gz`.

    Line numbers start at 1. Lines end at `\n` or `\r\n` only: passages may contain U+0085 and similar characters,
    where `str.splitlines` would split. A byte order mark at the start of a line is dropped, since concatenated files
    may have one in the middle.

    Raises:
        InputError: the file cannot be read, or is not UTF-8 text (the message names the line and, if the first
            bytes show it, the actual format), or a line is longer than 256 MiB.
    """
    path = Path(path)
    number = 0
    try:
        with _open_bytes(path) as stored, _text_bytes(path, stored) as file:
            while block := _whole_lines(file):
                text = _decoded(block, path, number)
                lines = text.split("\n")
                if not lines[-1]:
                    lines.pop()
                if "\r" in text:
                    lines = [line.removesuffix("\r") for line in lines]
                if _BOM in text:
                    lines = [line.removeprefix(_BOM) for line in lines]
                yield from enumerate(lines, start=number + 1)
                number += len(lines)
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        place = f" after line {number}" if number else ""
        reason = "it is a folder; give the name of a file" if isinstance(error, IsADirectoryError) else _reason(error)
        raise InputError(f"cannot read {path}{place}: {reason}") from error


def _whole_lines(file: io.BufferedReader) -> bytes:
    """Read about one block, up to the end of its last line, which is far faster than reading line by line."""
    block = file.read(_BLOCK)
    return block if not block or block.endswith(b"\n") else block + file.readline(_LONGEST_LINE)


def _decoded(block: bytes, path: Path, before: int) -> str:
    """Return the text of a block of lines.

    Raises:
        InputError: not UTF-8, a NUL character, or an overlong line; the message names the line.
    """
    try:
        text = block.decode()
        at, fault = block.find(b"\0"), "contains NUL: the file is binary or damaged"
        if at < 0 and len(block) > _LONGEST_LINE and not block.endswith(b"\n"):
            at, fault = len(block), f"the line is longer than {_LONGEST_LINE >> 20} MiB"
        if at < 0:
            return text
    except UnicodeDecodeError as error:
        at = error.start
        start = block.rfind(b"\n", 0, at) + 1
        binary = re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", block[start : block.find(b"\n", at)])
        hint = "It looks like a binary file" if binary else f"Convert it first, e.g. iconv -f LATIN1 -t UTF-8 {path}"
        fault = f"not UTF-8 ({error.reason} at byte {at - start} of the line). {hint}"
    raise InputError(f"{path}:{before + block.count(_NEWLINE, 0, at) + 1}: {fault}")


def _text_bytes(path: Path, stored: io.BufferedReader) -> io.BufferedReader:
    """Return the bytes of the text, unpacked if the name ends in `.gz`.

    Raises:
        InputError: the first bytes identify another file format.
    """
    file = stored
    if path.suffix == ".gz":
        if not stored.peek(2).startswith(b"\x1f\x8b") and stored.peek(1):
            raise InputError(f"cannot read {path}: its name ends in .gz, but it is not gzip data")
        file = _buffered(_Unpacked(str(path), fileobj=stored))
    head = file.peek(512)
    for pattern, what in _TRUE_NAMES:
        if re.match(pattern, head):
            raise InputError(f"cannot read {path}: {what}")
    return file


_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def parse_json(text: str, place: str) -> Any:
    r"""Parse a JSON text.

    Args:
        text: a line or another part of a file.
        place: `FILE:LINE`, for messages.

    Raises:
        InputError: not JSON, nested too deeply, a number with too many digits, or an unpaired surrogate (such as
            `\ud83d` alone), which UTF-8 cannot encode.
    """
    try:
        value = json.loads(text)
        # a single character is found many times faster than two
        if "\\" in text and "\\u" in text:
            if "\\ud" in text or "\\uD" in text:
                json.dumps(value, ensure_ascii=False).encode()
            if _NUL.search(text):
                raise InputError(f"{place}: contains \\u0000 (NUL), which is not allowed in a text file")
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise InputError(f"{place}: JSON nested too deeply") from error
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise InputError(f"{place}: {half} is an unpaired surrogate; replace it with \\ufffd") from error
    except InputError:
        raise
    except ValueError as error:  # an integer of more than 4,300 digits
        raise InputError(f"{place}: JSON that cannot be parsed: {error}") from error
    return value


def read_json_file(path: str | Path) -> Any:
    """Return the value that a JSON file holds.

    Raises:
        InputError: it cannot be read, or `parse_json` refuses it.
    """
    return parse_json("\n".join(line for _, line in read_lines(path)), str(path))


def read_yaml_file(path: str | Path) -> Any:
    """Return the value that a YAML file holds, of plain types.

    Raises:
        InputError: it cannot be read, is not YAML, or holds more values than any of our files (aliases multiply).
    """
    import yaml

    text = "\n".join(line for _, line in read_lines(path))
    # the C parser where there is one: a study has some thousand files
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value = yaml.load(text, loader)
        size = _size(value, _MOST_VALUES)
    # ValueError and others: dates that are none, keys that are lists
    except (
        yaml.YAMLError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is not valid YAML: {reason}") from error
    if size > _MOST_VALUES:
        raise InputError(f"{path}: more than {_MOST_VALUES:,} values once its aliases are resolved")
    return value


def _size(value: Any, most: int) -> int:
    """Count the values of nested data, not far beyond `most`."""
    counted = 1
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            counted += _size(each, most - counted)
            if counted > most:
                break
    return counted


def _reason(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


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
        raise InputError(f"cannot write {path}: {_reason(error)} ({path.parent})") from error
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
            raise InputError(f"cannot write {path}: {_reason(error)}") from error
        raise


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
        raise InputError(f"cannot write {target}: {_reason(error)} ({path})") from error
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


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with _open_bytes(Path(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
