"""The job `export_vectors`: the vectors of all passages for first-stage search by Faiss or Anserini."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.collections import open_passages
from instrerank.encoders import Encoder, LoadOptions
from instrerank.errors import InputError
from instrerank.integrations.dense_vectors import import_faiss, write_anserini, write_faiss
from instrerank.jobs.models import load_encoder
from instrerank.jobs.outputs import staged
from instrerank.trec.passages import PassageSource
from instrerank.trec.problems import counted
from instrerank.trec.records import is_empty, unfit_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK = 4096
"""Passages encoded together, as by `encode`."""

VECTOR_FORMATS = {
    "faiss": "an exact inner-product index and its docids, for pyserini.search.faiss.FaissSearcher",
    "anserini": "JSONL for Anserini's JsonDenseVectorCollection",
}
"""The values of `to`, each with a description of the output."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class VectorSettings:
    """Settings of `export_vectors`.

    Attributes:
        encoder: name, Hugging Face id or folder of a bi-encoder.
        corpus: passages as `instrerank.open_passages` takes them.
        index: Lucene index that stores its passages, as an alternative to `corpus`.
        to: one of `VECTOR_FORMATS`.
        output: folder to write.
        overwrite: replace existing files with other content.
        load: how to load the encoder, and where its store is.
    """

    encoder: str | Path
    corpus: Any = None
    index: str | Path | None = None
    to: str
    output: str | Path
    overwrite: bool = False
    load: LoadOptions = field(default_factory=LoadOptions)

    def __post_init__(self) -> None:
        """Check that the settings are valid.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        if (self.corpus is None) == (self.index is None):
            raise InputError("give the passages as `corpus` or as `index`")
        if self.to not in VECTOR_FORMATS:
            raise InputError(f"unknown `to` {self.to!r}. Available: {', '.join(VECTOR_FORMATS)}")


class ExportedVectors(NamedTuple):
    """What `export_vectors` returns.

    Attributes:
        output: the folder.
        passages: number of vectors written.
        empty: number of passages without text, which have no vector.
    """

    output: Path
    passages: int
    empty: int


def export_vectors(settings: VectorSettings) -> ExportedVectors:
    """Write the vector of every passage that has a text; what the store lacks is encoded first.

    Raises:
        InputError: incompatible settings, a docid that is not allowed in a run, or an `output` with other content.
        MissingPrerequisiteError: Faiss is not installed, or as for `instrerank.load_encoder`.
    """
    if settings.to == "faiss":
        import_faiss()
    given: Any = settings.corpus if settings.corpus is not None else settings.index
    source = open_passages(given)
    encoder = load_encoder(settings.encoder, settings.load)
    counts = {"passages": 0, "empty": 0}
    write = write_faiss if settings.to == "faiss" else write_anserini
    inputs = {"corpus": settings.corpus, "index": settings.index}
    with staged(settings.output, inputs, overwrite=settings.overwrite) as folder:
        write(folder, _blocks(encoder, source, counts), encoder.dimension)
    found = ExportedVectors(Path(settings.output), **counts)
    left_out = f", {counted(found.empty, 'passage')} without text left out" if found.empty else ""
    log.info(f"{found.output}: {counted(found.passages, 'vector')} for {settings.to}{left_out}")
    return found


def _blocks(
    encoder: Encoder, source: PassageSource, counts: dict[str, int]
) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Yield docids and vectors, and count the passages with and without text."""
    passages = iter(source)
    while block := list(islice(passages, _BLOCK)):
        read = [(docid, text) for docid, text in block if not is_empty(text)]
        if unfit := next((docid for docid, _ in read if unfit_id(docid)), None):
            raise InputError(f"{source.name}: docid {unfit!r:.60} {unfit_id(unfit)}")
        counts["passages"], counts["empty"] = counts["passages"] + len(read), counts["empty"] + len(block) - len(read)
        if read:
            yield [docid for docid, _ in read], encoder.encode_passages([text for _, text in read]).vectors
