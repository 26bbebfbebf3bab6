"""Where the texts of a store lie: their hashes in order, in memory for new shards, in a mapped file for all others.

The file is one line of JSON, then the three columns of `ShardIndex`. It repeats what shards say and may be removed at
any time. Who finds a text by it compares the shard's hash, so that damage here cannot give a wrong vector.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from instrerank.files import partial_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE = 1 << 18
_COLUMNS = (np.dtype("S32"), np.dtype("<i4"), np.dtype("<i4"))


class ShardIndex(NamedTuple):
    """Hashes in ascending order, each with its place.

    Attributes:
        names: of the shards.
        hashes: S32 [n].
        shards: int32 [n], numbers of shards in `names`.
        rows: int32 [n], of the text in its shard.
    """

    names: tuple[str, ...]
    hashes: NDArray[np.bytes_]
    shards: NDArray[np.int32]
    rows: NDArray[np.int32]

    def __repr__(self) -> str:
        """Return the size; the columns are too long to show."""
        return f"ShardIndex({len(self.hashes)} texts in {len(self.names)} shards)"

    @classmethod
    def build(cls, shards: Mapping[str, NDArray[np.bytes_]]) -> ShardIndex:
        """Sort the hashes of shards, given by name, in memory."""
        hashes = np.concatenate([np.empty(0, "S32"), *shards.values()])
        counts = [len(part) for part in shards.values()]
        numbers = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        rows = np.concatenate([np.empty(0, np.int32), *(np.arange(count, dtype=np.int32) for count in counts)])
        order = np.argsort(hashes, kind="stable")
        return cls(tuple(shards), hashes[order], numbers[order], rows[order])

    @classmethod
    def open(cls, path: Path) -> ShardIndex:
        """Map what `write_merged` wrote.

        Raises:
            OSError, ValueError, KeyError, TypeError: there is no such file, or it is damaged.
        """
        with path.open("rb") as file:
            line = file.readline()
        header = json.loads(line)
        names, count, start = tuple(map(str, header["names"])), int(header["texts"]), len(line)
        if path.stat().st_size != start + count * sum(dtype.itemsize for dtype in _COLUMNS):
            raise ValueError("it is not as long as its first line says")
        if not count:
            return cls.build({})
        columns = []
        for dtype in _COLUMNS:
            columns.append(np.asarray(np.memmap(path, dtype, "r", start, (count,))))
            start += columns[-1].nbytes
        return cls(names, *columns)

    def find(self, wanted: NDArray[np.bytes_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return which of some hashes are here, and where those are, in the order given."""
        if not len(self.hashes):
            return np.zeros(len(wanted), bool), np.empty(0, np.int64)
        at = np.searchsorted(self.hashes, wanted)
        at[at == len(self.hashes)] = 0
        found = self.hashes[at] == wanted
        return found, at[found]


def write_merged(path: Path, old: ShardIndex, new: ShardIndex) -> None:
    """Write one index of what two have, in memory that does not grow with the old one.

    Raises:
        OSError: it cannot be written; what lies there stays.
    """
    texts = len(old.hashes) + len(new.hashes)
    before = np.searchsorted(old.hashes, new.hashes, side="right")  # how many old ones come before each new one
    beside = partial_path(path)
    try:
        with beside.open("wb") as file:
            file.write(json.dumps({"names": [*old.names, *new.names], "texts": texts}).encode() + b"\n")
            for mine, theirs in zip(old[1:], (new.hashes, new.shards + len(old.names), new.rows), strict=True):
                for start in range(0, len(mine) or 1, _ROWS_AT_ONCE):
                    end = start + _ROWS_AT_ONCE
                    first, last = np.searchsorted(before, (start, end if end < len(mine) else len(mine) + 1))
                    block = np.insert(mine[start:end], before[first:last] - start, theirs[first:last])
                    file.write(block.astype(mine.dtype, copy=False).tobytes())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
