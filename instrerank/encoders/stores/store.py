"""Passage vectors on disk, so that a second study over the same passages encodes nothing.

A store is a folder with a mark of its format and one folder per kind of vector (`StoreKey`), in which shards lie
(`instrerank.encoders.stores.shards`). So a killed process leaves a store that is valid up to its last complete shard,
several processes may read and write at once, and the only cost is that a text both of them encode is stored twice.
Nothing is made before there are vectors to keep.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from instrerank.encoders.encoded import Encoded
from instrerank.encoders.stores.shard_index import ShardIndex, write_merged
from instrerank.encoders.stores.shards import SUFFIX, DamagedError, Shard, text_hashes, write_shard
from instrerank.errors import InputError
from instrerank.files import remove_abandoned, whole_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FORMAT = 1
_MARK = "instrerank-store.json"
KEY_FILE = "key.json"
SECONDS_A_SHARD = 30
"""Work that is kept together, and the most that a crash can lose, but for one batch."""
_TEXTS_A_SHARD = 50_000
"""The most texts of a shard, whose vectors are copied to be written."""
_TEXTS_IN_MEMORY, _SHARDS_IN_MEMORY = 100_000, 1000
"""More new texts than these (and a sixteenth of all), or more new shards, go into the index file."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoreKey:
    """What decides a vector besides its text.

    Attributes:
        fingerprint: of the model (`Encoder.fingerprint`).
        side: which of a bi-encoder's sides read the text.
        template: around the text.
        max_length: tokens that the model reads.
        dtype: precision the network ran in.
        device: kind of device it ran on, such as cpu or cuda.
    """

    fingerprint: str
    side: Literal["query", "passage"]
    template: str
    max_length: int
    dtype: str
    device: str = "cpu"

    def settings(self) -> dict[str, Any]:
        """Return what `digest` digests and `key.json` holds."""
        # shards hold float32 vectors; format 1 says so in every key, and without it stored vectors would not be found
        settings = asdict(self) | {"precision": "float32"}
        if self.device == "cpu":  # keys were without a device when most vectors were the CPU's
            del settings["device"]
        return settings

    def digest(self) -> str:
        """Return 32 hex digits that differ between keys."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()[:32]


class EmbeddingStore:
    """The vectors of one `StoreKey` in a store."""

    def __init__(self, folder: str | Path, key: StoreKey, dimension: int):
        """Open a store; one that is not there is made when something is added.

        Args:
            folder: of the store: empty, not there yet, or a store.
            key: the kind of vectors.
            dimension: their width d.

        Raises:
            InputError: the folder holds something else, is of another format, or cannot be read or made.
        """
        self.folder, self.key, self.dimension = Path(folder), key, dimension
        self._shards = self.folder / key.digest()
        self._index_path = self._shards / "index"
        self._open: dict[str, Shard] = {}
        self._left_out: set[str] = set()
        self._keeps, self._made = True, False
        check_format(self.folder)
        if not self.folder.exists() and not may_write(self.folder):
            raise InputError(f"cannot make the embedding store {self.folder}: no permission to write there")
        self._indexed = self._read_index()
        self._read_new_shards()

    def __repr__(self) -> str:
        """Return where it lies and what is in it."""
        held = f"{len(self)} {self.key.side} vectors, {self.dimension} dimensions"
        return f"EmbeddingStore({str(self.folder)!r}: {held})"

    def __len__(self) -> int:
        """Return the number of texts this process sees in the store."""
        return len(self._indexed.hashes) + len(self._new.hashes)

    def lookup(self, texts: Sequence[str]) -> tuple[NDArray[np.bool_], Encoded]:
        """Find texts, as they were when given to `add`; those of damaged shards are not there.

        Returns:
            bool [n], which texts are there, and the rows of those, in the order given.
        """
        wanted = text_hashes(texts)
        while True:
            try:
                return self._lookup(wanted)
            except DamagedError as damage:
                self._leave_out(damage)
                self._read_new_shards()

    def _lookup(self, wanted: NDArray[np.bytes_]) -> tuple[NDArray[np.bool_], Encoded]:
        found, shards, rows = np.zeros(len(wanted), bool), np.empty(len(wanted), int), np.empty(len(wanted), int)
        names: list[str] = []
        for index in (self._indexed, self._new):
            still = np.flatnonzero(~found)
            here, at = index.find(wanted[still])
            still = still[here]
            found[still], shards[still], rows[still] = True, len(names) + index.shards[at], index.rows[at]
            names += index.names
        shards, rows = shards[found], rows[found]
        result = Encoded.empty(len(rows), self.dimension)
        for number in np.unique(shards):
            here = shards == number
            if not 0 <= number < len(names) or not self._shard(names[number]).has(wanted[found][here], rows[here]):
                raise DamagedError(self._index_path, "it names other places than shards do")
            result.put(here, self._shard(names[number]).take(rows[here]))
        return found, result

    def _shard(self, name: str) -> Shard:
        if name not in self._open:
            self._open[name] = Shard(self._shards / name, self.dimension)
        return self._open[name]

    def add(self, texts: Sequence[str], encoded: Encoded) -> None:
        """Write texts and their vectors as one shard; a read-only store keeps nothing, which is logged once.

        Args:
            texts: n distinct texts.
            encoded: their rows.

        Raises:
            InputError: the shard cannot be written, for example because the disk is full. What was there before
                stays valid.
        """
        if not self._keeps:
            return
        if not may_write(self._shards):
            self._keeps = False
            log.warning(f"the embedding store {self.folder} is read-only: it is read, and new vectors are not kept")
            return
        try:
            self._make()
            write_shard(self._shards, text_hashes(texts), encoded)
        except Exception as error:  # safetensors reports a full disk by an exception of its own
            raise not_written(self.folder, error) from error
        self._read_new_shards()

    @contextmanager
    def keeping(self, texts: Sequence[str], encoded: Encoded) -> Iterator[Callable[[Sequence[int]], None]]:
        """Give a function that takes the numbers of finished rows; they are added after 30 seconds, and at the end.

        Args:
            texts: n distinct texts.
            encoded: n rows, which are being filled.

        Raises:
            InputError: as `add`.
        """
        pending: list[int] = []
        since = time.monotonic()

        def write() -> None:
            nonlocal since
            rows, since = list(pending), time.monotonic()
            pending.clear()
            if rows:
                self.add([texts[row] for row in rows], encoded.take(rows))

        def finished(rows: Sequence[int]) -> None:
            pending.extend(rows)
            if time.monotonic() - since >= SECONDS_A_SHARD or len(pending) >= _TEXTS_A_SHARD:
                write()

        try:
            yield finished
        finally:  # an error or Ctrl-C loses nothing that is finished
            write()

    def _make(self) -> None:
        """Write what a store has beside its shards, and remove what killed processes left of theirs."""
        make_kind(self.folder, self._shards, self.key.settings())
        if not self._made:
            remove_abandoned(self.folder)
            remove_abandoned(self._shards)
            self._made = True

    def _read_new_shards(self) -> None:
        """Open the shards that the index lacks, and let it have them when they are many."""
        self._open_new_shards()
        if self._many_are_new() and self._index_path.name not in self._left_out:
            self._indexed = self._read_index()  # another process may have written it: one of many is enough
            self._open_new_shards()
        if self._many_are_new():
            self._write_index()

    def _many_are_new(self) -> bool:
        texts = len(self._new.hashes)
        many = max(_TEXTS_IN_MEMORY, len(self._indexed.hashes) // 16)
        return texts > many or len(self._new.names) > _SHARDS_IN_MEMORY

    def _open_new_shards(self) -> None:
        there = {path.name for path in self._shards.glob(f"*{SUFFIX}")} - self._left_out
        if not there.issuperset(self._indexed.names) or self._index_path.name in self._left_out:
            self._indexed = ShardIndex.build({})
        new: dict[str, NDArray[np.bytes_]] = {}
        for name in sorted(there.difference(self._indexed.names)):
            try:
                new[name] = self._shard(name).hashes
            except DamagedError as damage:
                self._leave_out(damage)
        self._new = ShardIndex.build(new)

    def _write_index(self) -> None:
        if not may_write(self._shards):
            return
        try:
            write_merged(self._index_path, self._indexed, self._new)
            self._indexed, self._new = ShardIndex.open(self._index_path), ShardIndex.build({})
        except (OSError, ValueError) as error:
            log.debug(f"the embedding store {self.folder} has no index: {error}")
        self._left_out.discard(self._index_path.name)

    def _read_index(self) -> ShardIndex:
        try:
            return ShardIndex.open(self._index_path)
        except FileNotFoundError:
            return ShardIndex.build({})
        except (OSError, ValueError, KeyError, TypeError) as error:
            self._leave_out(DamagedError(self._index_path, error))
            return ShardIndex.build({})

    def _leave_out(self, damage: DamagedError) -> None:
        log.warning(f"a file of the embedding store is damaged and left out (remove it): {damage}")
        self._left_out.add(damage.path.name)
        self._open.pop(damage.path.name, None)


def not_written(folder: Path, error: Exception) -> InputError:
    """Return the error for a shard that cannot be written."""
    return InputError(
        f"cannot write to the embedding store {folder}: {error}. What it held before is untouched: where the disk is "
        "full, free some space and run again, or go on without the store"
    )


def store_size(folder: str | Path) -> int:
    """Return the bytes that a store takes on disk, 0 for a folder that is not there."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def may_write(folder: Path) -> bool:
    """Say whether files can be made in a folder, or the folder itself where it is not there yet."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def make_kind(folder: Path, place: Path, key: Mapping[str, Any]) -> None:
    """Make a store and, in it, the folder of one kind of vectors, where they do not exist yet."""
    # the mark first: without it, a folder that holds something is not a store
    for path, content in ((folder / _MARK, {"format": _FORMAT}), (place / KEY_FILE, key)):
        if not path.is_file():
            with whole_file(path) as file:
                json.dump(content, file, indent=1)


def check_format(folder: Path) -> None:
    """Refuse a folder that is neither empty nor a store of this format.

    Raises:
        InputError: says what it is.
    """
    mark = folder / _MARK
    try:
        if not mark.is_file():
            # another process may be making the same store at this moment: its mark is the first file with a name
            if (
                folder.exists()
                and any(not path.name.startswith(".") for path in folder.iterdir())
                and not mark.is_file()
            ):
                raise InputError(f"{folder} is not empty and not an embedding store: give an empty folder")
            return
        found = json.loads(mark.read_text("utf-8"))["format"]
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot open the embedding store {folder}: {error}") from error
    if found != _FORMAT:
        raise InputError(
            f"the embedding store {folder} has format {found}, this version of instrerank reads format {_FORMAT}: "
            "give another folder, or remove it to encode again"
        )
