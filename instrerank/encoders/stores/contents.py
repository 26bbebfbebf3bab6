"""What a store holds: each kind of vectors counted, verified, compacted or removed."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from instrerank.encoders.encoded import Encoded
from instrerank.encoders.stores.shards import SUFFIX, DamagedError, Shard, shard_shape, write_shard
from instrerank.encoders.stores.store import KEY_FILE, EmbeddingStore, StoreKey, check_format, not_written, store_size
from instrerank.encoders.stores.token_store import TOKENS_SUFFIX, token_shard_shape
from instrerank.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXTS_A_SHARD = 50_000

log = logging.getLogger(__name__)


class StoredKind(NamedTuple):
    """The vectors of one `StoreKey`.

    Attributes:
        name: of its folder, a digest of the key.
        key: fields of the key: fingerprint of the model, side, template, maximum length, precision and device.
        dimension: of the vectors; 0 if there are none.
        texts: number of vectors; a text that two processes encoded counts twice.
        shards: number of shard files.
        size: bytes on disk.
        damaged: shards that cannot be read.
    """

    name: str
    key: dict[str, Any]
    dimension: int
    texts: int
    shards: int
    size: int
    damaged: list[str]


def stored_kinds(folder: Path, *, verify: bool = False) -> list[StoredKind]:
    """Return the kinds of vectors in a store, largest first.

    Args:
        folder: of the store.
        verify: read every shard and compare its checksum; else only the headers are read.

    Raises:
        InputError: the folder is not a store.
    """
    check_format(folder)
    kinds = [_kind(path.parent, verify) for path in folder.glob(f"*/{KEY_FILE}")]
    return sorted(kinds, key=lambda kind: (-kind.size, kind.name))


def _kind(folder: Path, verify: bool) -> StoredKind:
    paths, damaged = sorted(folder.glob(f"*{SUFFIX}")), []
    texts = dimension = 0
    for path in paths:
        try:
            count, dimension = shard_shape(path)
            if verify:
                Shard(path, dimension).take(np.empty(0, np.int64))
            texts += count
        except DamagedError:
            damaged.append(path.name)
    for path in sorted(folder.glob(f"*{TOKENS_SUFFIX}")):
        try:
            count, dimension = token_shard_shape(path, verify=verify)
            texts += count
        except DamagedError:
            damaged.append(path.name)
        paths.append(path)
    try:
        key = json.loads((folder / KEY_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        key = {}
    return StoredKind(folder.name, key, dimension, texts, len(paths), store_size(folder), damaged)


def compact(folder: Path, kind: StoredKind) -> StoredKind:
    """Rewrite a kind of vectors in few shards, without duplicates and damaged shards; return what is there now.

    Token vectors stay as they are: their shards are large.

    Killed midway, it leaves a valid store with some texts twice. Other processes may read and write meanwhile.

    Args:
        folder: of the store.
        kind: from `stored_kinds`.

    Raises:
        InputError: a shard cannot be written.
    """
    place = folder / kind.name
    old = sorted(place.glob(f"*{SUFFIX}"))
    if not old:
        return kind
    try:
        for hashes, rows in _distinct_rows(old, kind.dimension):
            write_shard(place, hashes, rows)
    except Exception as error:  # safetensors reports a full disk by an exception of its own
        raise not_written(folder, error) from error
    for path in [*old, place / "index"]:
        path.unlink(missing_ok=True)
    fields = {field.name: kind.key[field.name] for field in dataclasses.fields(StoreKey) if field.name in kind.key}
    EmbeddingStore(folder, StoreKey(**fields), kind.dimension)  # writes the index, so that nobody else has to wait
    return _kind(place, verify=False)


def _distinct_rows(paths: list[Path], dimension: int) -> Iterator[tuple[NDArray[np.bytes_], Encoded]]:
    """Yield the rows of shards, each text once, in parts of a shard's size."""
    shards: list[Shard] = []
    for path in paths:
        try:
            shards.append(Shard(path, dimension))
        except DamagedError as damage:
            log.warning(f"left out: {damage}")
    _, first = np.unique(np.concatenate([np.empty(0, "S32"), *(shard.hashes for shard in shards)]), return_index=True)
    kept, start = np.sort(first), 0
    parts: list[tuple[NDArray[np.bytes_], Encoded]] = []
    for shard in shards:
        end = start + len(shard.hashes)
        at = kept[slice(*np.searchsorted(kept, (start, end)))] - start
        start = end
        try:
            parts.append((shard.hashes[at], shard.take(at)))
        except DamagedError as damage:
            log.warning(f"left out: {damage}")
        if sum(len(hashes) for hashes, _ in parts) >= _TEXTS_A_SHARD:
            yield _joined(parts)
            parts = []
    if parts:
        yield _joined(parts)


def _joined(parts: list[tuple[NDArray[np.bytes_], Encoded]]) -> tuple[NDArray[np.bytes_], Encoded]:
    hashes, rows = zip(*parts, strict=True)
    return np.concatenate(hashes), Encoded(*(np.concatenate(fields) for fields in zip(*rows, strict=True)))


def remove(folder: Path, kind: StoredKind) -> None:
    """Remove a kind of vectors.

    Raises:
        InputError: it cannot be removed.
    """
    try:
        shutil.rmtree(folder / kind.name)
    except OSError as error:
        raise InputError(f"cannot remove {folder / kind.name}: {error}") from error
