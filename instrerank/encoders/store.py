"""Passage vectors on disk, so that a second study over the same passages encodes nothing.

A store is a folder with a mark of its format and one folder per kind of vector (`StoreKey`). There lie shards:
safetensors files that are written beside and renamed, never changed, and named so that no two processes collide.
So a killed process leaves a store that is valid up to its last complete shard, several processes may read and
write at once, and the only cost is that a text both of them encode is stored twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from instrerank.encoders.encoded import Encoded
from instrerank.errors import InputError
from instrerank.files import whole_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FORMAT = 1
_MARK = "instrerank-store.json"

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
    """

    fingerprint: str
    side: Literal["query", "passage"]
    template: str
    max_length: int
    dtype: str

    def settings(self) -> dict[str, Any]:
        """Return what `digest` digests and `key.json` holds."""
        # shards hold float32 vectors; format 1 says so in every key, and without it stored vectors would not be found
        return asdict(self) | {"precision": "float32"}

    def digest(self) -> str:
        """Return 32 hex digits that differ between keys."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()[:32]


class EmbeddingStore:
    """The vectors of one `StoreKey` in a store."""

    def __init__(self, folder: str | Path, key: StoreKey, dimension: int):
        """Open a store, or make one in a folder that is empty or not there yet.

        Args:
            folder: of the store.
            key: the kind of vectors.
            dimension: their width d.

        Raises:
            InputError: the folder holds something else, is of another format, or cannot be written.
        """
        self.folder, self.key, self.dimension = Path(folder), key, dimension
        _check_format(self.folder)
        self._shards = self.folder / key.digest()
        if not (self._shards / "key.json").is_file():
            with whole_file(self._shards / "key.json") as file:
                json.dump(key.settings(), file, indent=1)
        self._names: set[str] = set()
        self._parts: list[tuple[NDArray[np.bytes_], Encoded]] = []
        self._read_new_shards()

    def __repr__(self) -> str:
        """Return where it lies and what is in it."""
        held = f"{len(self)} {self.key.side} vectors, {self.dimension} dimensions"
        return f"EmbeddingStore({str(self.folder)!r}: {held})"

    def __len__(self) -> int:
        """Return the number of texts this process sees in the store."""
        return len(self._index[0])

    def lookup(self, texts: Sequence[str]) -> tuple[NDArray[np.bool_], Encoded]:
        """Find texts, as they were when given to `add`.

        Returns:
            bool [n], which texts are there, and the rows of those, in the order given.
        """
        wanted = _hashes(texts)
        hashes, shards, rows = self._index
        at = np.searchsorted(hashes, wanted)
        at[at == len(hashes)] = 0
        found = hashes[at] == wanted if len(hashes) else np.zeros(len(texts), bool)
        at = at[found]
        result = Encoded.empty(len(at), self.dimension)
        for shard in np.unique(shards[at]):
            here = shards[at] == shard
            result.put(here, self._parts[shard][1].take(rows[at[here]]))
        return found, result

    def add(self, texts: Sequence[str], encoded: Encoded) -> None:
        """Write texts and their vectors as one shard.

        Args:
            texts: n distinct texts.
            encoded: their rows.

        Raises:
            InputError: the shard cannot be written, for example because the disk is full. What was there before
                stays valid.
        """
        from safetensors.numpy import save_file

        tensors = {"hashes": _hashes(texts).view(np.uint8).reshape(-1, 32), **encoded._asdict()}
        name = f"{uuid.uuid4().hex}.safetensors"
        beside = self._shards / f".{name}.partial"
        try:
            save_file({tensor: np.ascontiguousarray(values) for tensor, values in tensors.items()}, str(beside))
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
            beside.rename(self._shards / name)
        except Exception as error:  # safetensors reports a full disk by an exception of its own
            beside.unlink(missing_ok=True)
            raise InputError(
                f"cannot write to the embedding store {self.folder}: {error}. What it held before is untouched: "
                "free some space and run again, or go on without the store"
            ) from error
        self._read_new_shards()

    def _read_new_shards(self) -> None:
        for path in sorted(self._shards.glob("*.safetensors")):
            if path.name in self._names:
                continue
            self._names.add(path.name)
            try:
                self._parts.append(_map_shard(path, self.dimension))
            except Exception as error:  # a damaged file raises whatever its reader raises
                log.warning("the shard %s of the embedding store is damaged and left out: %s", path, error)
        self.__dict__.pop("_index", None)

    @cached_property
    def _index(self) -> tuple[NDArray[np.bytes_], NDArray[np.int64], NDArray[np.int64]]:
        """All hashes, sorted, each with its shard and row."""
        hashes = np.concatenate([np.empty(0, "S32"), *(part for part, _ in self._parts)])
        counts = [len(part) for part, _ in self._parts]
        shards = np.repeat(np.arange(len(counts)), counts)
        rows = np.concatenate([np.empty(0, np.int64), *(np.arange(count) for count in counts)])
        order = np.argsort(hashes, kind="stable")
        return hashes[order], shards[order], rows[order]


def store_size(folder: str | Path) -> int:
    """Return the bytes that a store takes on disk, 0 for a folder that is not there."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


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
            with whole_file(mark) as file:
                json.dump({"format": _FORMAT}, file)
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


def _map_shard(path: Path, dimension: int) -> tuple[NDArray[np.bytes_], Encoded]:
    """Return a shard's hashes and its rows; vectors stay on disk until they are asked for."""
    from safetensors import safe_open

    with safe_open(str(path), framework="pt") as file:  # torch maps the file, numpy would read it
        hashes, *fields = (file.get_tensor(name).numpy() for name in ("hashes", *Encoded._fields))
    encoded = Encoded(*fields)
    if hashes.shape != (len(hashes), 32) or encoded.vectors.shape != (len(hashes), dimension):
        raise ValueError(f"it has vectors of shape {encoded.vectors.shape}, not [{len(hashes)}, {dimension}]")
    return np.ascontiguousarray(hashes).view("S32")[:, 0], encoded


def _hashes(texts: Sequence[str]) -> NDArray[np.bytes_]:
    # numpy takes trailing zero bytes for padding: that is of no consequence, as all have the same length
    return np.array([hashlib.sha256(text.encode()).digest() for text in texts], "S32")
