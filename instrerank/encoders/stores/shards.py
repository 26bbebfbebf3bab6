"""Shards of an embedding store: hashes of texts, their rows and a checksum, in one safetensors file.

A shard is written beside its place and renamed, and never changed; its name is one that no two processes share.
"""

from __future__ import annotations

import hashlib
import os
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from instrerank.encoders.encoded import Encoded
from instrerank.files import partial_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

SUFFIX = ".safetensors"
CHECKSUM = "crc32"
"""Where the metadata of a shard has the checksum of its arrays."""


class DamagedError(Exception):
    """A file of a store that is not what was written.

    Attributes:
        path: of its file.
    """

    def __init__(self, path: Path, why: object):
        """Say what is wrong with which file."""
        super().__init__(f"{path}: {why}")
        self.path = path


class Shard:
    """A shard that is mapped: its vectors stay on disk until they are asked for.

    Attributes:
        hashes: S32 [n], SHA-256 of each text.
    """

    def __init__(self, path: Path, dimension: int):
        """Map a shard.

        Args:
            path: of the file.
            dimension: width d of its vectors.

        Raises:
            DamagedError: it cannot be read or is of another shape.
        """
        self._path, self._dimension = path, dimension
        checksum = self._map()
        # shards of earlier versions have none
        self._expected = None if checksum is None else str(checksum)

    def _map(self) -> str | None:
        """Map the file, or map it anew, and return its checksum."""
        from safetensors import safe_open

        path = self._path
        try:
            with safe_open(str(path), framework="pt") as file:  # torch maps the file, numpy would read it
                hashes, *fields = (file.get_tensor(name).numpy() for name in ("hashes", *Encoded._fields))
                checksum: str | None = (file.metadata() or {}).get(CHECKSUM)
        except Exception as error:  # a damaged file raises whatever its reader raises
            raise DamagedError(path, error) from error
        self._rows, count = Encoded(*fields), len(hashes)
        found = [(str(array.dtype), array.shape) for array in (hashes, *self._rows)]
        width = self._dimension
        expected = [("uint8", (count, 32)), ("float32", (count, width)), ("int64", (count,)), ("bool", (count,))]
        if found != expected:
            raise DamagedError(path, f"it has vectors of shape {self._rows.vectors.shape}, not [{count}, {width}]")
        self.hashes: NDArray[np.bytes_] = np.ascontiguousarray(hashes).view("S32")[:, 0]
        return checksum

    def __repr__(self) -> str:
        return f"Shard({self._path.name}: {len(self.hashes)} texts)"

    def has(self, hashes: NDArray[np.bytes_], rows: NDArray[np.int64]) -> bool:
        """Tell whether the texts in these rows have these hashes."""
        return bool((abs(rows) < len(self.hashes)).all()) and np.array_equal(self.hashes[rows], hashes)

    def take(self, rows: NDArray[np.int64]) -> Encoded:
        """Return some of the rows; the first call compares the checksum of all of them (at 4 GB/s or so).

        Raises:
            DamagedError: it differs.
        """
        if self._expected is not None:
            if checksum_of([self.hashes, *self._rows]) != self._expected:
                raise DamagedError(self._path, "its checksum differs")
            self._expected = None
        taken = self._rows.take(rows)
        with suppress(DamagedError):  # a file that was compacted away meanwhile stays mapped as it is
            self._map()  # what was read of it no longer counts as this process's memory
        return taken


def shard_shape(path: Path) -> tuple[int, int]:
    """Return the number of texts of a shard and the dimension of its vectors, from its header.

    Raises:
        DamagedError: it cannot be read.
    """
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            texts, dimension = file.get_slice("vectors").get_shape()
            return int(texts), int(dimension)
    except Exception as error:  # a damaged file raises whatever its reader raises
        raise DamagedError(path, error) from error


def text_hashes(texts: Sequence[str]) -> NDArray[np.bytes_]:
    """Return the SHA-256 of each text: S32 [n]."""
    # numpy takes trailing zero bytes for padding: that is of no consequence, as all have the same length
    return np.array([hashlib.sha256(text.encode()).digest() for text in texts], "S32")


def write_shard(folder: Path, hashes: NDArray[np.bytes_], encoded: Encoded) -> None:
    """Write n hashes and their rows as a new shard: whole or not at all.

    Raises:
        OSError, SafetensorError: it cannot be written, for example because the disk is full.
    """
    write_tensors(folder, {"hashes": hashes.view(np.uint8).reshape(-1, 32), **encoded._asdict()})


def write_tensors(folder: Path, tensors: Mapping[str, NDArray[Any]], suffix: str = SUFFIX) -> str:
    """Write arrays and their checksum as a new shard, whole or not at all; return its name.

    Raises:
        OSError, SafetensorError: as for `write_shard`.
    """
    from safetensors.numpy import save_file

    path = folder / f"{uuid.uuid4().hex}{suffix}"
    tensors = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    beside = partial_path(path)
    try:
        beside.touch()
        mode = beside.stat().st_mode  # as the umask says: safetensors makes files that no other user can read
        save_file(tensors, str(beside), {CHECKSUM: checksum_of(tensors.values())})
        beside.chmod(mode)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.rename(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return path.name


def checksum_of(arrays: Iterable[NDArray[Any]]) -> str:
    """Return the CRC-32 of some contiguous arrays, as shards have it in their metadata."""
    value = 0
    for array in arrays:
        value = zlib.crc32(array.view(np.uint8).data, value)
    return f"{value:08x}"
