"""Passage vectors on disk, so that a second study over the same passages encodes nothing.

A store is a folder with a mark of its format and one folder per kind of vector (`StoreKey`), in which shards lie
(`instrerank.encoders.shards`). So a killed process leaves a store that is valid up to its last complete shard,
several processes may read and write at once, and the only cost is that a text both of them encode is stored twice.
Nothing is made before there are vectors to keep.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from instrerank.encoders.encoded import Encoded
from instrerank.encoders.shards import SUFFIX, DamagedShardError, Shard, write_shard
from instrerank.errors import InputError
from instrerank.files import remove_abandoned, whole_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FORMAT = 1
_MARK = "instrerank-store.json"
_SECONDS_A_SHARD = 30
"""Work that is kept together, and the most that a crash can lose, but for one batch."""
_TEXTS_A_SHARD = 50_000
"""The most texts of a shard, whose vectors are copied to be written."""

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
        self._open: dict[str, Shard] = {}
        self._left_out: set[str] = set()
        self._keeps, self._made = True, False
        _check_format(self.folder)
        if not self.folder.exists() and not may_write(self.folder):
            raise InputError(f"cannot make the embedding store {self.folder}: no permission to write there")
        self._read_new_shards()

    def __repr__(self) -> str:
        """Return where it lies and what is in it."""
        held = f"{len(self)} {self.key.side} vectors, {self.dimension} dimensions"
        return f"EmbeddingStore({str(self.folder)!r}: {held})"

    def __len__(self) -> int:
        """Return the number of texts this process sees in the store."""
        return len(self._index[0])

    def lookup(self, texts: Sequence[str]) -> tuple[NDArray[np.bool_], Encoded]:
        """Find texts, as they were when given to `add`; those of damaged shards are not there.

        Returns:
            bool [n], which texts are there, and the rows of those, in the order given.
        """
        wanted = _hashes(texts)
        while True:
            try:
                return self._lookup(wanted)
            except DamagedShardError as damage:
                self._leave_out(damage)
                self.__dict__.pop("_index", None)

    def _lookup(self, wanted: NDArray[np.bytes_]) -> tuple[NDArray[np.bool_], Encoded]:
        hashes, shards, rows = self._index
        at = np.searchsorted(hashes, wanted)
        at[at == len(hashes)] = 0
        found = hashes[at] == wanted if len(hashes) else np.zeros(len(wanted), bool)
        at = at[found]
        result = Encoded.empty(len(at), self.dimension)
        opened = list(self._open.values())
        for shard in np.unique(shards[at]):
            here = shards[at] == shard
            result.put(here, opened[shard].take(rows[at[here]]))
        return found, result

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
            write_shard(self._shards, _hashes(texts), encoded)
        except Exception as error:  # safetensors reports a full disk by an exception of its own
            raise InputError(
                f"cannot write to the embedding store {self.folder}: {error}. What it held before is untouched: where "
                "the disk is full, free some space and run again, or go on without the store"
            ) from error
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
            if time.monotonic() - since >= _SECONDS_A_SHARD or len(pending) >= _TEXTS_A_SHARD:
                write()

        try:
            yield finished
        finally:  # an error or Ctrl-C loses nothing that is finished
            write()

    def _make(self) -> None:
        """Write what a store has beside its shards, and remove what killed processes left of theirs."""
        # the mark first: without it, a folder that holds something is not a store
        for path, content in (
            (self.folder / _MARK, {"format": _FORMAT}),
            (self._shards / "key.json", self.key.settings()),
        ):
            if not path.is_file():
                with whole_file(path) as file:
                    json.dump(content, file, indent=1)
        if not self._made:
            remove_abandoned(self._shards)
            self._made = True

    def _read_new_shards(self) -> None:
        for path in sorted(self._shards.glob(f"*{SUFFIX}")):
            if path.name not in self._open and path.name not in self._left_out:
                try:
                    self._open[path.name] = Shard(path, self.dimension)
                except DamagedShardError as damage:
                    self._leave_out(damage)
        self.__dict__.pop("_index", None)

    def _leave_out(self, damage: DamagedShardError) -> None:
        log.warning(f"a shard of the embedding store is damaged and left out (remove it): {damage}")
        self._left_out.add(damage.path.name)
        self._open.pop(damage.path.name, None)

    @cached_property
    def _index(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64], NDArray[np.int64]]:
        """All hashes, sorted, each with its shard and row."""
        parts = [shard.hashes for shard in self._open.values()]
        hashes = np.concatenate([np.empty(0, "S32"), *parts])
        counts = [len(part) for part in parts]
        shards = np.repeat(np.arange(len(counts)), counts)
        rows = np.concatenate([np.empty(0, np.int64), *(np.arange(count) for count in counts)])
        order = np.argsort(hashes, kind="stable")
        return hashes[order], shards[order], rows[order]


def store_size(folder: str | Path) -> int:
    """Return the bytes that a store takes on disk, 0 for a folder that is not there."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def may_write(folder: Path) -> bool:
    """Say whether files can be made in a folder, or the folder itself where it is not there yet."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _check_format(folder: Path) -> None:
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


def _hashes(texts: Sequence[str]) -> NDArray[np.bytes_]:
    # numpy takes trailing zero bytes for padding: that is of no consequence, as all have the same length
    return np.array([hashlib.sha256(text.encode()).digest() for text in texts], "S32")
