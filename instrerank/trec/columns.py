"""Large run files as columns: parsed by Apache Arrow, a few bytes a row instead of an object for each.

Arrow's CSV reader works block by block, in bounded memory, and rounds decimal numbers correctly, as Python does.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instrerank.errors import InputError
from instrerank.files import is_stream, read_blocks
from instrerank.trec.numbers import LARGEST_FLOAT32, whole_number
from instrerank.trec.order import trec_eval_order
from instrerank.trec.types import ScoredDoc

LARGE = 8 << 20
"""Bytes from which a file is read as columns: smaller ones are read faster than Arrow is imported."""
_BLOCK = 16 << 20
_CONTROL = bytes({*range(0x20), 0x7F} - {*b"\t\n"})
_BOM = "\ufeff".encode()
_TREC: tuple[str, ...] = ("qid", "q0", "docid", "rank", "score", "tag")
_MSMARCO: tuple[str, ...] = ("qid", "docid", "rank")


Change = Callable[[list[ScoredDoc]], list[ScoredDoc]]


class TopicColumns(NamedTuple):
    """The rows of one topic in file order.

    Attributes:
        docids: [rows].
        scores: float32 [rows].
        ranks: int32 [rows].
    """

    docids: list[str]
    scores: NDArray[np.float32]
    ranks: NDArray[np.int32]

    @property
    def is_sorted(self) -> bool:
        """Whether the scores only fall, so that this is trec_eval's order, without ties."""
        return bool((self.scores[1:] < self.scores[:-1]).all())


class LazyRankings(Mapping[str, list[ScoredDoc]]):
    """Rankings by qid, each made when it is asked for.

    Attributes:
        sizes: number of documents by qid.
    """

    def __init__(self, sizes: Mapping[str, int]):
        """Take the number of documents by qid, in the order of the rankings."""
        self.sizes = sizes

    def __repr__(self) -> str:
        """Return a summary of the size instead of all rankings."""
        return f"{type(self).__name__}({len(self.sizes)} topics, {sum(self.sizes.values())} documents)"

    def __len__(self) -> int:
        """Return the number of topics."""
        return len(self.sizes)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the qids."""
        return iter(self.sizes)

    def __contains__(self, qid: object) -> bool:
        """Return whether there is a ranking for a topic."""
        return qid in self.sizes


class ColumnRankings(LazyRankings):
    """The rankings of a run in columns, in trec_eval's order.

    Attributes:
        first_lines: line number of the first row by qid, in file order.
    """

    def __init__(self, first_lines: dict[str, int], starts: NDArray[np.int64], columns: tuple[Any, Any, Any]):
        """Take the rows of a run, grouped by topic.

        Args:
            first_lines: line number of each topic's first row, by qid.
            starts: int64 [topics + 1], the first row of each topic, and the number of rows.
            columns: an Arrow array of docids, float32 [rows] scores and int32 [rows] ranks.
        """
        super().__init__(dict(zip(first_lines, np.diff(starts).tolist(), strict=True)))
        self.first_lines = first_lines
        self._starts = dict(zip(first_lines, starts.tolist(), strict=False))
        self._columns = columns

    def __getitem__(self, qid: str) -> list[ScoredDoc]:
        """Return the ranking of a topic."""
        rows = self.columns(qid)
        # without a call of Python's for each document
        ranking = list(map(tuple.__new__, repeat(ScoredDoc), zip(rows.docids, rows.scores.tolist(), strict=True)))
        return ranking if rows.is_sorted else trec_eval_order(ranking)

    def columns(self, qid: str) -> TopicColumns:
        """Return the rows of a topic."""
        start = self._starts[qid]
        rows = slice(start, start + self.sizes[qid])
        docids, scores, ranks = self._columns
        return TopicColumns(docids[rows].to_numpy(zero_copy_only=False).tolist(), scores[rows], ranks[rows])


class ChangedRankings(LazyRankings):
    """Rankings that are changed when they are asked for."""

    def __init__(self, rankings: Mapping[str, list[ScoredDoc]], sizes: Mapping[str, int], change: Change):
        """Take rankings by qid, their sizes after the change, and the change."""
        super().__init__(sizes)
        self._rankings, self._change = rankings, change

    def __getitem__(self, qid: str) -> list[ScoredDoc]:
        """Return the changed ranking of a topic."""
        return self._change(self._rankings[qid])


def read_run_columns(path: str | Path) -> tuple[str, ColumnRankings] | None:
    """Read a large run file in the plain form: every row valid, one separator, one tag, no duplicate docids.

    Returns:
        the run's tag and rankings; None for a small file, and for any that the reader of lines must look at: it
        accepts other forms, and says what is wrong on which line.
    """
    path = Path(path)
    try:
        if is_stream(path) or path.stat().st_size < LARGE:
            return None
        qids: dict[str, int] = {}
        blocks = [_read_block(block, qids) for block in read_blocks(path, _BLOCK)]
        tags = {tag for block in blocks for tag in block.tags}
        if len(tags) != 1 or len({block.width for block in blocks}) > 1:
            return None
        return tags.pop(), _grouped(list(qids), blocks)
    # Arrow's errors are ValueErrors
    except (_UnusualError, InputError, OSError, EOFError, zlib.error, ValueError):
        return None


class _UnusualError(Exception):
    """The file is not in the plain form."""


class _Block(NamedTuple):
    """Some rows of a file: the place of the qid among all, Arrow's docids, and numbers."""

    width: int
    tags: list[str]
    qids: NDArray[np.int32]
    docids: Any
    scores: NDArray[np.float32]
    ranks: NDArray[np.int32]


def _read_block(block: bytes, qids: dict[str, int]) -> _Block:
    """Parse some lines, and number the qids that they add."""
    import pyarrow
    from pyarrow import compute, csv

    first = block.partition(b"\n")[0]
    separator, other = (b"\t", b" ") if b"\t" in first else (b" ", b"\t")
    if other in block or _BOM in block or len(block.translate(None, _CONTROL)) < len(block):
        raise _UnusualError
    columns = _TREC if first.count(separator) == 5 else _MSMARCO
    name = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    table = csv.read_csv(
        pyarrow.BufferReader(block),
        csv.ReadOptions(column_names=columns),
        csv.ParseOptions(delimiter=separator.decode(), quote_char=False, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types={**dict.fromkeys(columns, name), "docid": pyarrow.string(), "score": pyarrow.float64()},
            null_values=[],
            strings_can_be_null=False,
        ),
    ).unify_dictionaries()
    named = {column: table[column].combine_chunks() for column in columns if column not in ("docid", "score")}
    values = {column: array.dictionary.to_pylist() for column, array in named.items()}
    if any("" in each for each in values.values()) or compute.any(compute.equal(table["docid"], "")).as_py():
        raise _UnusualError
    whole = [whole_number(rank) for rank in values["rank"]]
    if not all(rank is not None and abs(rank) < 2**31 and (rank > 0 or columns == _TREC) for rank in whole):
        raise _UnusualError
    ranks = np.array(whole, np.int32)[named["rank"].indices.to_numpy()]
    scores = table["score"].to_numpy() if columns == _TREC else 1 / ranks
    if not np.abs(scores).max() <= LARGEST_FLOAT32:
        raise _UnusualError
    places = np.array([qids.setdefault(qid, len(qids)) for qid in values["qid"]], np.int32)
    return _Block(
        len(columns),
        values.get("tag", ["msmarco"]),
        places[named["qid"].indices.to_numpy()],
        table["docid"],
        scores.astype(np.float32),
        ranks,
    )


def _grouped(qids: list[str], blocks: list[_Block]) -> ColumnRankings:
    """Group the rows of all blocks by topic."""
    import pyarrow

    topics = np.concatenate([block.qids for block in blocks])
    scores = np.concatenate([block.scores for block in blocks])
    ranks = np.concatenate([block.ranks for block in blocks])
    docids = pyarrow.chunked_array([chunk for block in blocks for chunk in block.docids.chunks]).combine_chunks()
    blocks.clear()
    _, firsts = np.unique(topics, return_index=True)
    if (np.diff(topics) < 0).any():  # rows of several topics are mixed
        order = np.argsort(topics, kind="stable")
        topics, scores, ranks, docids = topics[order], scores[order], ranks[order], docids.take(pyarrow.array(order))
    starts = np.searchsorted(topics, np.arange(len(qids) + 1))
    if any(len(docids[start:end].unique()) < end - start for start, end in pairwise(starts.tolist())):
        raise _UnusualError
    lines = dict(zip(qids, (firsts + 1).tolist(), strict=True))
    return ColumnRankings(lines, starts, (docids, scores, ranks))
