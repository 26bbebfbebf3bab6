"""Token vectors of passages on disk, for late interaction: float16, mapped, beside the single vectors of a store.

Like those, they have one folder per `StoreKey`. A shard holds hashes of texts, their numbers of tokens, and all of
their token vectors one after another, in one safetensors file, whose suffix no reader of single vectors takes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from instrerank.encoders.stores.shard_index import ShardIndex
from instrerank.encoders.stores.shards import CHECKSUM, DamagedError, checksum_of, text_hashes, write_tensors
from instrerank.encoders.stores.store import StoreKey, check_format, make_kind, may_write, not_written
from instrerank.encoders.token_vectors import TokenVectors
from instrerank.files import remove_abandoned

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOKENS_SUFFIX = ".tokens"

log = logging.getLogger(__name__)


class _Shard:
    """A mapped shard; its vectors stay on disk until they are used."""

    def __init__(self, path: Path, dimension: int | None = None):
        from safetensors import safe_open

        self._path, names = path, ("hashes", "tokens", "truncated", "vectors")
        try:
            with safe_open(str(path), framework="pt") as file:  # torch maps the file, numpy would read it
                self._tensors = {name: file.get_tensor(name).numpy() for name in names}
                self._unchecked = (file.metadata() or {}).get(CHECKSUM)
        except Exception as error:  # a damaged file raises whatever its reader raises
            raise DamagedError(path, error) from error
        hashes, counts, self._truncated, self._vectors = self._tensors.values()
        self._ends = np.cumsum(counts)
        tokens = int(self._ends[-1]) if len(counts) else 0
        self.dimension = int(self._vectors.shape[-1])
        if self._vectors.dtype != np.float16 or self._vectors.shape != (tokens, dimension or self.dimension):
            raise DamagedError(path, f"it has {self._vectors.dtype} vectors of shape {self._vectors.shape}")
        self.hashes: NDArray[np.bytes_] = np.ascontiguousarray(hashes).view("S32")[:, 0]

    def check(self) -> None:
        """Compare the checksum, once.

        Raises:
            DamagedError: it differs.
        """
        if self._unchecked is not None and checksum_of(self._tensors.values()) != self._unchecked:
            raise DamagedError(self._path, "its checksum differs")
        self._unchecked = None

    def text(self, row: int) -> tuple[NDArray[np.float16], bool]:
        """Return a view of the token vectors of one text, and whether it was truncated."""
        start = self._ends[row - 1] if row else 0
        return self._vectors[start : self._ends[row]], bool(self._truncated[row])


def token_shard_shape(path: Path, *, verify: bool = False) -> tuple[int, int]:
    """Return the number of texts of a shard and the dimension of its vectors; with `verify`, check all of it.

    Raises:
        DamagedError: it cannot be read, or its checksum differs.
    """
    shard = _Shard(path)
    if verify:
        shard.check()
    return len(shard.hashes), shard.dimension


class TokenStore:
    """The token vectors of one `StoreKey`.

    Attributes:
        folder: folder of the store.
        dimension: width d of the vectors.
    """

    def __init__(self, folder: str | Path, key: StoreKey, dimension: int):
        """Open a store; it is made when something is added.

        Args:
            folder: of the store: empty, missing, or a store.
            key: the kind of vectors.
            dimension: see the class.

        Raises:
            InputError: the folder holds something else, is of another format, or cannot be read.
        """
        self.folder, self.dimension = Path(folder), dimension
        self._key, self._place = key.settings() | {"precision": "float16"}, self.folder / key.digest()
        self._shards: dict[str, _Shard] = {}
        self._left_out: set[str] = set()
        self._keeps = True
        check_format(self.folder)
        self._read_new_shards()

    def __repr__(self) -> str:
        return f"TokenStore({str(self.folder)!r}: {len(self._index.hashes)} texts, {self.dimension} dimensions)"

    def lookup(self, texts: Sequence[str]) -> tuple[NDArray[np.bool_], TokenVectors]:
        """Find texts; their vectors stay on disk until they are used. Those of damaged shards are not found.

        Returns:
            bool [n], which texts are stored, and the vectors of those, in the order given.
        """
        wanted = text_hashes(texts)
        while True:
            found, at = self._index.find(wanted)
            names = [self._index.names[number] for number in self._index.shards[at].tolist()]
            try:
                for name in dict.fromkeys(names):
                    self._shards[name].check()
            except DamagedError as damage:
                self._leave_out(damage)
                self._read_new_shards()
                continue
            return found, self._read(zip(names, self._index.rows[at].tolist(), strict=True))

    def add(self, texts: Sequence[str], encoded: TokenVectors) -> TokenVectors:
        """Write n distinct texts and their token vectors as one shard, and return the vectors that it maps.

        A read-only store keeps nothing, which is logged once; the vectors are then returned in the same precision.

        Raises:
            InputError: the shard cannot be written, for example because the disk is full; what was there before
                stays valid.
        """
        stored = np.concatenate(encoded.vectors).astype(np.float16)
        counts = np.array([len(one) for one in encoded.vectors], np.int64)
        if self._keeps and not may_write(self._place):
            self._keeps = False
            log.warning(f"the embedding store {self.folder} is read-only: it is read, and new vectors are not kept")
        if not self._keeps:
            return encoded._replace(vectors=np.split(stored, np.cumsum(counts)[:-1]))
        tensors: dict[str, NDArray[Any]] = {
            "hashes": text_hashes(texts).view(np.uint8).reshape(-1, 32),
            "tokens": counts,
            "truncated": encoded.truncated,
            "vectors": stored,
        }
        try:
            make_kind(self.folder, self._place, self._key)
            remove_abandoned(self._place)
            name = write_tensors(self._place, tensors, TOKENS_SUFFIX)
        except Exception as error:  # safetensors reports a full disk by an exception of its own
            raise not_written(self.folder, error) from error
        self._read_new_shards()
        return self._read((name, row) for row in range(len(texts)))

    def _read(self, places: Iterable[tuple[str, int]]) -> TokenVectors:
        found = [self._shards[name].text(row) for name, row in places]
        return TokenVectors([vectors for vectors, _ in found], np.array([cut for _, cut in found], bool))

    def _read_new_shards(self) -> None:
        for path in sorted(self._place.glob(f"*{TOKENS_SUFFIX}")):
            if path.name not in self._shards and path.name not in self._left_out:
                try:
                    self._shards[path.name] = _Shard(path, self.dimension)
                except DamagedError as damage:
                    self._leave_out(damage)
        self._index = ShardIndex.build({name: shard.hashes for name, shard in self._shards.items()})

    def _leave_out(self, damage: DamagedError) -> None:
        log.warning(f"a file of the embedding store is damaged and left out (remove it): {damage}")
        self._left_out.add(damage.path.name)
        self._shards.pop(damage.path.name, None)
