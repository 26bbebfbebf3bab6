"""The job `encode`: passage vectors into a store, in shards that depend on the passages alone."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import load_run, open_passages
from instrerank.collections.loaded import is_name
from instrerank.collections.sources import MissingPolicy
from instrerank.encoders import Encoder, LoadOptions, progress
from instrerank.encoders.adapted import check_same_files, files_fingerprint
from instrerank.encoders.late_interaction import LateInteraction
from instrerank.errors import InputError
from instrerank.files import is_standard_stream
from instrerank.jobs import cluster
from instrerank.jobs.models import load_text_encoder
from instrerank.jobs.settings import settings_of
from instrerank.reranking.candidates import candidate_docids
from instrerank.trec.passages import PassageSource
from instrerank.trec.problems import counted, listed
from instrerank.trec.records import is_empty

_BLOCK = 4096
"""Passages that are encoded together, whatever the number of shards, so that their vectors are the same to the bit."""

_NO_STORE = "`encode` keeps vectors in a store: give a folder as `store`"

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EncodeSettings:
    """Settings of `encode`.

    Attributes:
        encoder: name, Hugging Face id or folder of a bi-encoder or late-interaction model, or one with a store.
        corpus: passages as `instrerank.open_passages` takes them.
        index: Lucene index that stores its passages, as an alternative to `corpus`.
        runs: encode only the candidates of these runs, as `instrerank.load_run` takes them; without any: all passages.
        hits: number of candidates per topic; None: all.
        shard_id: number of the shard to encode, from 0.
        shard_num: number of shards; on Ray, 1 means one for each of the cluster's actors.
        engine: "local": encode one shard in this process; "ray": encode all shards on a Ray cluster.
        missing: what to do about candidates without text: "error", or "skip" to leave them out and count them.
        load: how to load the encoder, and where its store is.
        progress: show a progress bar.
    """

    encoder: Any
    corpus: Any = None
    index: str | Path | None = None
    runs: Sequence[Any] = ()
    hits: int | None = None
    shard_id: int = 0
    shard_num: int = 1
    engine: cluster.Engine = "local"
    missing: MissingPolicy = "error"
    load: LoadOptions = field(default_factory=LoadOptions)
    progress: bool = False

    def __post_init__(self) -> None:
        """Check that the settings are valid and compatible.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        if (self.corpus is None) == (self.index is None):
            raise InputError("give the passages as `corpus` or as `index`")
        if self.hits is not None and (not self.runs or self.hits < 1):
            raise InputError(f"`hits` must be at least 1 and needs `runs`, got {self.hits}")
        if self.shard_num < 1 or not 0 <= self.shard_id < self.shard_num:
            raise InputError(
                f"`shard_id` counts from 0 and must be less than `shard_num`, got {self.shard_id} of {self.shard_num}"
            )
        cluster.check_engine(self.engine)
        if self.engine == "ray":
            self._check_ray()

    def _check_ray(self) -> None:
        if self.shard_id:
            raise InputError(f"`engine` ray encodes all shards: leave out `shard_id`, got {self.shard_id}")
        if not is_name(self.encoder):
            raise InputError("`engine` ray loads the encoder on each node: give its name or folder as `encoder`")
        for source in (self.corpus, *self.runs):
            if is_name(source) and is_standard_stream(source):
                raise InputError("`engine` ray reads passages and runs on each node: give a file, not standard input")


class EncodedShard(NamedTuple):
    """What `encode` returns.

    Attributes:
        store: folder of the store.
        passages: number of passages of this shard that have a text.
        encoded: number of distinct texts among them whose vectors are new in the store.
        truncated: number of passages longer than the encoder reads.
        empty: number of passages without text, which have no vector.
        missing: number of candidates whose text was not found.
    """

    store: Path
    passages: int
    encoded: int
    truncated: int
    empty: int
    missing: int


def encode(encoder: Any, corpus: Any = None, **settings: Any) -> EncodedShard:
    """Encode passages into a store, where `rerank`, `study`, `attack` and every other user of the encoder finds them.

    A killed call loses at most half a minute of work; the next one encodes what is missing. Several processes, on
    several machines with a common file system, may each encode a shard into the same store.

    Args:
        encoder: name, Hugging Face id or folder of a bi-encoder or late-interaction model, or one with a store.
        corpus: passages as `instrerank.open_passages` takes them.
        **settings: other fields of `EncodeSettings` and `LoadOptions`.

    Raises:
        InputError: incompatible settings, an encoder without a store, candidates without text, or a store that cannot
            be written.
        MissingPrerequisiteError: as for `instrerank.load_encoder` and `instrerank.open_passages`.
    """
    return run_encode(settings_of(EncodeSettings, encoder=encoder, corpus=corpus, **settings))


def run_encode(settings: EncodeSettings) -> EncodedShard:
    """Run `encode` with the given settings."""
    return _encode_on_ray(settings) if settings.engine == "ray" else _encode_shard(settings)


def _encode_shard(settings: EncodeSettings) -> EncodedShard:
    """Encode one shard in this process."""
    given: Any = settings.corpus if settings.corpus is not None else settings.index
    source = open_passages(given)
    encoder: Encoder | LateInteraction = settings.encoder
    if is_name(settings.encoder):
        encoder = load_text_encoder(settings.encoder, settings.load)
    if encoder.store is None:
        raise InputError(_NO_STORE)
    missing, total, blocks = _blocks(settings, source)
    passages = encoded = truncated = empty = 0
    with progress.counted(total, "all passages", "passage", progress=settings.progress) as done:
        for block in blocks:
            texts = [text for text in block if not is_empty(text)]
            encoded += len(set(texts)) - encoder.count_stored(texts)
            truncated += int(encoder.encode_passages(texts, progress=settings.progress).truncated.sum())
            passages, empty = passages + len(texts), empty + len(block) - len(texts)
            done(len(block))
    found = EncodedShard(encoder.store.folder, passages, encoded, truncated, empty, missing)
    of_shards = "" if settings.shard_num == 1 else f"shard {settings.shard_id} of {settings.shard_num}: "
    log.info(
        f"{found.store}: {of_shards}{counted(passages, 'passage')}, {encoded} newly encoded, {truncated} truncated"
    )
    _warn_of_left_out(found)
    return found


def _warn_of_left_out(found: EncodedShard) -> None:
    if found.empty or found.missing:
        parts = f"{counted(found.empty, 'passage')} without text, {counted(found.missing, 'candidate')} not found"
        log.warning(f"left out: {parts}")


def _encode_on_ray(settings: EncodeSettings) -> EncodedShard:
    """Encode all shards on a Ray cluster; each is what `_encode_shard` makes of it."""
    store = settings.load.store_folder()
    if store is None:
        raise InputError(_NO_STORE)
    files = files_fingerprint(str(settings.encoder), settings.load)
    done, failures = [], []
    with cluster.connected(gpu=settings.load.device != "cpu") as ray:
        shards = settings.shard_num if settings.shard_num > 1 else ray.actors
        load = replace(settings.load, store=store.absolute())
        same = replace(settings, shard_num=shards, engine="local", load=load, progress=False)
        make = functools.partial(_ShardsOfNode, same, files)
        with progress.counted(shards, "shards", "shard", progress=settings.progress) as count:
            for shard, found, failure in ray.map(make, range(shards), [store.absolute()]):
                count(1)
                if failure is not None:
                    failures.append(failure)
                    log.error(f"shard {shard} of {shards} failed: {failure}")
                elif found is not None:
                    done.append(found)
                    log.info(f"shard {shard} of {shards}: {counted(found.passages, 'passage')}, {found.encoded} new")
    if failures:
        raise type(failures[0].error)(
            f"{len(failures)} of {shards} shards failed. The first: {failures[0]}. The vectors of the others are "
            f"in {store}: run again to encode what is missing"
        )
    whole = EncodedShard(store, *map(sum, zip(*(shard[1:] for shard in done), strict=True)))
    log.info(
        f"{store}: {counted(whole.passages, 'passage')}, {whole.encoded} newly encoded, {whole.truncated} truncated"
    )
    _warn_of_left_out(whole)
    return whole


class _ShardsOfNode:
    """Encodes shards on a node of a cluster with one encoder."""

    def __init__(self, settings: EncodeSettings, files: str) -> None:
        """Load the encoder, which must be the one whose files have this fingerprint."""
        check_same_files(str(settings.encoder), settings.load, files)
        self._settings = replace(settings, encoder=load_text_encoder(settings.encoder, settings.load))

    def __call__(self, shard: int) -> EncodedShard:
        """Encode a shard."""
        return _encode_shard(replace(self._settings, shard_id=shard))


def _blocks(settings: EncodeSettings, source: PassageSource) -> tuple[int, int | None, Iterable[list[str]]]:
    """Return the number of candidates without text, that of passages (None: unknown), and blocks of texts."""
    if not settings.runs:
        return 0, None, _of_shard((text for _, text in source), settings)
    runs = [load_run(run, keep_first_duplicate=True) for run in settings.runs]
    docids = dict.fromkeys(docid for run in runs for docid in candidate_docids(run, settings.hits or 10**9))
    blocks = list(_of_shard(docids, settings))
    mine = [docid for block in blocks for docid in block]
    texts = source.lookup(mine)
    absent = [docid for docid in mine if docid not in texts]
    if absent and settings.missing == "error":
        raise InputError(
            f"{source.name} has no text for {len(absent)} of {len(mine)} candidates: {listed(absent)}. Check that the "
            "passages belong to the runs, or set `missing` to skip"
        )
    found = ([texts[docid] for docid in block if docid in texts] for block in blocks)
    return len(absent), len(mine) - len(absent), found


def _of_shard(items: Iterable[str], settings: EncodeSettings) -> Iterator[list[str]]:
    """Yield every `shard_num`-th block of consecutive items, from block number `shard_id` on."""
    iterator = iter(items)
    number = 0
    while block := list(islice(iterator, _BLOCK)):
        if number % settings.shard_num == settings.shard_id:
            yield block
        number += 1
