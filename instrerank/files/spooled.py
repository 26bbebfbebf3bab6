"""Texts on disk: more than a process can hold, read one by one."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from typing import IO, overload

from instrerank.errors import InputError
from instrerank.files.places import reason_of

_IN_MEMORY = 64 << 20
"""Bytes of text that are held in memory: so few never reach the disk."""


class SpooledTexts(Sequence[str]):
    """A sequence of texts that grows; in memory are the last 64 MiB, and 8 bytes a text.

    The others are in a temporary file without a name, in the folder that the environment variable TMPDIR names, which
    is gone when the process ends, however it ends.
    """

    def __init__(self) -> None:
        """Begin without texts."""
        self._ends = array("q", [0])
        self._last = bytearray()
        self._on_disk = 0
        self._file: IO[bytes] | None = None

    def __repr__(self) -> str:
        """Return the size instead of all texts."""
        return f"SpooledTexts({len(self)} texts)"

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self._ends) - 1

    def append(self, text: str) -> None:
        """Add a text.

        Raises:
            InputError: the temporary file cannot be written, for example because the disk is full.
        """
        self._last += text.encode("utf-8", "surrogatepass")
        self._ends.append(self._on_disk + len(self._last))
        if len(self._last) > _IN_MEMORY:
            self._write()

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        """Read one text, or several."""
        if isinstance(place, slice):
            return [self._read(at) for at in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        return self._read(place % len(self))

    def __iter__(self) -> Iterator[str]:
        """Read all texts."""
        return map(self._read, range(len(self)))

    def _read(self, place: int) -> str:
        start, end = self._ends[place], self._ends[place + 1]
        if start >= self._on_disk or self._file is None:
            return self._last[start - self._on_disk : end - self._on_disk].decode("utf-8", "surrogatepass")
        self._file.seek(start)
        return self._file.read(end - start).decode("utf-8", "surrogatepass")

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
            self._file.seek(self._on_disk)
            left = memoryview(self._last)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise InputError(
                f"cannot write passages to a temporary file in {tempfile.gettempdir()}: {reason_of(error)}; free some "
                f"space there, or name another folder by the environment variable TMPDIR"
            ) from error
        self._on_disk += len(self._last)
        self._last = bytearray()
