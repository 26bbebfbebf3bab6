"""Conversion of Python objects to our types: mappings, data frames, ir_measures' tuples, results of jobs.

Every loader in `instrerank.collections` accepts these in place of a name, so that scripts and the command line call
the same functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from instrerank.errors import InputError
from instrerank.trec import Qrels, Run, ScoredDoc, Topic, ranked, trec_eval_order
from instrerank.trec.records import VARIANTS

_QID_COLUMNS = ("query_id", "qid", "q_id")
_DOCID_COLUMNS = ("doc_id", "docno", "docid")
_SCORE_COLUMNS = ("score",)
_GRADE_COLUMNS = ("relevance", "label", "grade")


def is_name(source: Any) -> bool:
    """Return whether a source is a path or a name rather than data."""
    return isinstance(source, str) or hasattr(source, "__fspath__")


def file_and_variant(source: str | Path) -> tuple[Path, str | None]:
    """Split `FILE:changed` into the file and the variant (of `records.VARIANTS`) that is wanted of it, else None.

    A file that has this name as a whole takes precedence.
    """
    name, colon, variant = str(source).rpartition(":")
    if colon and variant in VARIANTS and Path(name).is_file() and not Path(source).exists():
        return Path(name), variant
    return Path(source), None


def as_run(source: Any) -> Run:
    """Convert an object to a run.

    Args:
        source: a `Run`; the result of a job that has a run (`.run`); a mapping qid → (mapping docid → score) or
            qid → sequence of `ScoredDoc`; a data frame with the columns of ir_measures (`query_id`, `doc_id`, `score`)
            or PyTerrier (`qid`, `docno`, `score`); or an iterable of ir_measures' `ScoredDoc` tuples.

    Raises:
        InputError: an unsupported type, a missing column, or a duplicate docid.
    """
    if isinstance(source, Run):
        return source
    if isinstance(getattr(source, "run", None), Run):
        run: Run = source.run
        return run
    tag = str(getattr(source, "tag", "") or "python")
    if isinstance(source, Mapping):
        return Run(tag, {str(qid): _ranking(str(qid), ranking) for qid, ranking in source.items()})
    scores: dict[str, dict[str, float]] = {}
    for qid, docid, score in _rows(source, _SCORE_COLUMNS, "a run"):
        if docid in scores.setdefault(qid, {}):
            raise InputError(f"duplicate docid {docid} for topic {qid} in the run")
        scores[qid][docid] = float(score)
    return Run(tag, ranked(scores))


def as_qrels(source: Any) -> Qrels:
    """Convert a mapping qid → (docid → grade), a data frame or ir_measures' `Qrel` tuples to qrels.

    Raises:
        InputError: an unsupported type, a missing column, or a duplicate judgement.
    """
    if isinstance(source, Mapping):
        return {
            str(qid): {str(docid): int(grade) for docid, grade in grades.items()} for qid, grades in source.items()
        }
    qrels: Qrels = {}
    for qid, docid, grade in _rows(source, _GRADE_COLUMNS, "qrels"):
        if docid in qrels.setdefault(qid, {}):
            raise InputError(f"duplicate judgement of {docid} for topic {qid}")
        qrels[qid][docid] = int(grade)
    return qrels


def as_topics(source: Any) -> list[Topic]:
    """Convert an object to topics.

    Args:
        source: a `Topic`; a query set (`.topics`); a mapping qid → text; a data frame with `qid` (or `query_id`),
            `query` (or `text`) and optionally `instruction`; or a sequence of `Topic` or tuples (qid, text[,
            instruction]).

    Raises:
        InputError: an unsupported type.
    """
    if isinstance(source, Topic):
        return [source]
    if hasattr(source, "topics"):
        return list(source.topics)
    if isinstance(source, Mapping):
        return [Topic(str(qid), text) for qid, text in source.items()]
    if hasattr(source, "itertuples"):
        qid, text = (_column(source, names, "topics") for names in (_QID_COLUMNS, ("query", "text")))
        columns = [source[qid], source[text], *([source["instruction"]] if "instruction" in source else [])]
        source = list(zip(*columns, strict=True))
    topics = list(source) if isinstance(source, Iterable) else [source]
    wrong = next((each for each in topics if not isinstance(each, tuple) or not 2 <= len(each) <= 3), None)
    if wrong is not None or not all(isinstance(column, str) for each in topics for column in each[1:]):
        raise InputError(
            f"cannot read topics from {type(source).__name__}: give a file or a name, a mapping qid -> text, a data "
            f"frame, or Topic tuples"
        )
    return [Topic(str(qid), *rest) for qid, *rest in topics]


class MappedPassages:
    """Passages of a mapping docid → text, as a `PassageSource`."""

    name = "in memory"

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Wrap texts by docid."""
        self.texts = texts

    def __iter__(self) -> Iterator[Any]:
        """Yield every passage."""
        from instrerank.trec import Passage

        return (Passage(str(docid), text) for docid, text in self.texts.items())

    def __repr__(self) -> str:
        return f"MappedPassages({len(self.texts)} passages)"

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of the docids found."""
        return {docid: self.texts[docid] for docid in docids if docid in self.texts}


def _ranking(qid: str, ranking: Any) -> list[ScoredDoc]:
    if isinstance(ranking, Mapping):
        return trec_eval_order(ScoredDoc(str(docid), float(score)) for docid, score in ranking.items())
    documents = [ScoredDoc(str(docid), float(score)) for docid, score in ranking]
    if len({document.docid for document in documents}) < len(documents):
        raise InputError(f"duplicate docid for topic {qid} in the run")
    return trec_eval_order(documents)


def _rows(source: Any, values: Sequence[str], what: str) -> Iterator[tuple[str, str, Any]]:
    """Yield (qid, docid, value) from a data frame or from tuples with these fields."""
    if hasattr(source, "itertuples"):
        names = [_column(source, columns, what) for columns in (_QID_COLUMNS, _DOCID_COLUMNS, values)]
        columns = [source[name].tolist() for name in names]
        yield from ((str(qid), str(docid), value) for qid, docid, value in zip(*columns, strict=True))
        return
    if not isinstance(source, Iterable):
        raise InputError(f"cannot read {what} from {type(source).__name__}; {_ACCEPTED}")
    for row in source:
        if not (hasattr(row, "query_id") and hasattr(row, "doc_id") and hasattr(row, values[0])):
            raise InputError(f"cannot read {what} from {row!r:.80}; {_ACCEPTED}")
        yield str(row.query_id), str(row.doc_id), getattr(row, values[0])


_ACCEPTED = "give a file or a name, a mapping by qid and docid, a data frame, or ir_measures' tuples"


def _column(frame: Any, names: Sequence[str], what: str) -> str:
    found = next((name for name in names if name in frame), None)
    if found is None:
        raise InputError(f"{what}: the data frame has no column {' or '.join(names)}; it has {', '.join(frame)}")
    return found
