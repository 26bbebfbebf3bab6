"""Passage vectors for first-stage search elsewhere: a Faiss index as Pyserini opens it, JSONL as Anserini reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrerank.errors import MissingPrerequisiteError, pip_install

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Blocks = Iterable[tuple[Sequence[str], NDArray[np.float32]]]
    """Docids n and their vectors [n, d], block by block."""

_BLOCKS_A_FILE = 25
"""Anserini reads one file with each thread."""


def import_faiss() -> Any:
    """Return the module `faiss`.

    Raises:
        MissingPrerequisiteError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingPrerequisiteError(f"`to` faiss needs Faiss: {pip_install('faiss')}") from error
    return faiss


def write_faiss(folder: Path, blocks: Blocks, dimension: int) -> None:
    """Write `index`, an exact inner-product index, and `docid`, as `pyserini.search.faiss.FaissSearcher` reads them.

    Faiss holds all vectors in memory, four bytes a dimension.

    Raises:
        MissingPrerequisiteError: Faiss is not installed.
    """
    faiss = import_faiss()
    index = faiss.IndexFlatIP(dimension)
    with (folder / "docid").open("w", encoding="utf-8", newline="\n") as file:
        for docids, vectors in blocks:
            file.writelines(f"{docid}\n" for docid in docids)
            index.add(vectors)
    faiss.write_index(index, str(folder / "index"))


def write_anserini(folder: Path, blocks: Blocks, dimension: int) -> None:
    """Write JSONL files as Anserini's `JsonDenseVectorCollection` reads them: `docid` and `vector` in each line."""
    row = ",".join(["%.9g"] * dimension)  # nine digits tell any two float32 apart
    for number, (docids, vectors) in enumerate(blocks):
        path = folder / f"vectors.{number // _BLOCKS_A_FILE:06}.jsonl"
        with path.open("a", encoding="utf-8", newline="\n") as file:
            for docid, vector in zip(docids, vectors.tolist(), strict=True):
                file.write(f'{{"docid": {json.dumps(docid)}, "vector": [{row % tuple(vector)}]}}\n')
