"""Text files in: UTF-8 or a clear error, gzip by suffix, bounded, other formats by their names."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import sys
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import cast

from instrerank.errors import InputError
from instrerank.files.places import is_standard_stream, reason_of

_LONGEST_LINE = 256 << 20
_BOMB_SIZE, _BOMB_RATIO = 64 << 20, 200  # text does not shrink to less than a hundredth; deflate's limit is 1032
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
        reason = (
            "it is a folder; give the name of a file" if isinstance(error, IsADirectoryError) else reason_of(error)
        )
        raise InputError(f"cannot read {path}{place}: {reason}") from error


def read_blocks(path: str | Path, size: int) -> Iterator[bytes]:
    """Yield a file as `read_lines` sees it, in blocks of whole lines, for readers of columns.

    Args:
        path: the file, gzipped if its name ends in `.gz`.
        size: bytes of a block, but for the rest of its last line.

    Raises:
        InputError: another file format, or a decompression bomb.
        OSError, EOFError, zlib.error: it cannot be read; `read_lines` says where and why.
    """
    path = Path(path)
    with _open_bytes(path) as stored, _text_bytes(path, stored) as file:
        while block := _whole_lines(file, size):
            yield block


def _whole_lines(file: io.BufferedReader, size: int = _BLOCK) -> bytes:
    """Read about one block, up to the end of its last line, which is far faster than reading line by line."""
    block = file.read(size)
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


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with _open_bytes(Path(path)) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
