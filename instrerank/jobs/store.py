"""The job `tend_store`: list what a store of passage vectors holds, verify, compact or remove it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from instrerank.encoders.options import default_store
from instrerank.encoders.stores.contents import StoredKind, compact, remove, stored_kinds
from instrerank.errors import InputError

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """Settings of `tend_store`.

    Attributes:
        store: folder of the store; None: the default store.
        verify: compare the checksum of every shard.
        compact: rewrite each kind of vectors in few files, without duplicates and damaged shards.
        remove: kinds of vectors to remove, by the first letters of their names, or "all".
    """

    store: str | Path | None = None
    verify: bool = False
    compact: bool = False
    remove: tuple[str, ...] = ()


def tend_store(settings: StoreSettings) -> list[StoredKind]:
    """Return what a store holds after what the settings ask for, largest first.

    Raises:
        InputError: not a store, an unknown or ambiguous name, or files that cannot be written or removed.
    """
    folder = default_store() if settings.store is None else Path(settings.store)
    if not folder.is_dir():
        raise InputError(f"there is no store at {folder}: encode, rerank and study make one")
    kinds = stored_kinds(folder, verify=settings.verify)
    chosen = kinds if "all" in settings.remove else [_named(kinds, name) for name in settings.remove]
    for kind in {kind.name: kind for kind in chosen}.values():
        remove(folder, kind)
        log.info(f"removed {kind.name}: {kind.texts} vectors, {kind.size / 2**20:.1f} MiB")
    for kind in stored_kinds(folder) if settings.compact else ():
        after = compact(folder, kind)
        files, vectors = f"{kind.shards} files to {after.shards}", f"{kind.texts} vectors to {after.texts}"
        log.info(f"compacted {kind.name}: {files}, {vectors}")
    return stored_kinds(folder, verify=settings.verify) if settings.remove or settings.compact else kinds


def _named(kinds: list[StoredKind], name: str) -> StoredKind:
    found = [kind for kind in kinds if name and kind.name.startswith(name)]
    if len(found) != 1:
        names = ", ".join(kind.name for kind in kinds) or "none"
        raise InputError(f"`remove` {name!r} names {len(found)} kinds of vectors. Available: {names}")
    return found[0]
