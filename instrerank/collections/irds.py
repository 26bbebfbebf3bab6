"""Topics, qrels, passages and candidates from ir_datasets, by id."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from instrerank.errors import InputError, MissingPrerequisiteError, pip_install
from instrerank.trec import Passage, Qrels, Run, Topic, ranked
from instrerank.trec.passages import join_title
from instrerank.trec.problems import listed
from instrerank.trec.records import is_empty

PREFIX = "irds:"

log = logging.getLogger(__name__)


class IrdsPassages:
    """The documents of an ir_datasets id, with the dataset's own `default_text` (title, then body) as text.

    Iteration and look-up raise MissingPrerequisiteError if the dataset is not in the cache and cannot be downloaded,
    and InputError if its documents have no unambiguous text field.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.dataset = _load(name, "docs")

    def __iter__(self) -> Iterator[Passage]:
        """Yield every document in dataset order."""
        with _reachable(self.name):
            for document in self.dataset.docs_iter():
                yield Passage(document.doc_id, _text_of(document, self.name))

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of the docids found in the dataset."""
        with _reachable(self.name):
            documents = self.dataset.docs_store().get_many(list(docids))
        return {docid: _text_of(document, self.name) for docid, document in documents.items()}


def irds_topics(name: str) -> list[Topic]:
    """Return the topics of `irds:ID`, without instructions.

    Raises:
        InputError: its queries have no text, or some texts are empty.
    """
    topics = [Topic(query.query_id, _text_of(query, name)) for query in _queries(name)]
    empty = [topic.qid for topic in topics if is_empty(topic.text)]
    if empty:
        raise InputError(f"{name}: {len(empty)} of {len(topics)} queries have an empty text: {listed(empty)}")
    return topics


def irds_instructions(name: str) -> dict[str, str]:
    """Return the narratives of `irds:ID`, which serve as instructions.

    Raises:
        InputError: its queries have no narrative.
    """
    queries = _queries(name)
    if not all(getattr(query, "narrative", "") for query in queries):
        raise InputError(f"{name}: its queries have no narrative that could serve as an instruction; give a file")
    return {query.query_id: query.narrative for query in queries}


def irds_qrels(name: str) -> Qrels:
    """Return the qrels of `irds:ID`.

    Raises:
        InputError: judgements of subtopics or parts of documents, which cannot be reduced to one grade per document.
    """
    dataset = _load(name, "qrels")
    if "subtopic_id" in getattr(dataset.qrels_cls(), "_fields", ()):
        raise InputError(
            f"{name}: has judgements by subtopic, several per document and topic; make a qrels file with one grade "
            f"per document, such as the highest over subtopics"
        )
    qrels: Qrels = {}
    with _reachable(name):
        for judgement in dataset.qrels_iter():
            grades = qrels.setdefault(judgement.query_id, {})
            if grades.setdefault(judgement.doc_id, judgement.relevance) != judgement.relevance:
                raise InputError(
                    f"{name}: duplicate judgement of {judgement.doc_id} for topic {judgement.query_id}, with grades "
                    f"{grades[judgement.doc_id]} and {judgement.relevance}; make a qrels file with only one of them"
                )
    return qrels


def irds_run(name: str) -> Run:
    """Return the candidates (scoreddocs) of `irds:ID` as a run with the id as its tag.

    The candidates of some datasets (MS MARCO's top1000) have no scores: all are 0 then, with a warning.
    """
    best: dict[str, dict[str, float]] = {}
    with _reachable(name):
        for candidate in _load(name, "scoreddocs").scoreddocs_iter():
            scores = best.setdefault(candidate.query_id, {})
            scores[candidate.doc_id] = max(candidate.score, scores.get(candidate.doc_id, -math.inf))
    if not any(score for scores in best.values() for score in scores.values()):
        log.warning(f"{name}: its candidates have no scores and so no order: rerank all of them")
    return Run(name.removeprefix(PREFIX), ranked(best))


class CatalogueEntry(NamedTuple):
    """What ir_datasets says of an id without its data; a number is 0 without such records, None if unknown."""

    name: str
    topics: int | None
    passages: int | None
    qrels: bool
    narratives: bool
    candidates: int | None


def irds_catalogue() -> Iterator[CatalogueEntry]:
    """Yield every id of ir_datasets that has topics, qrels or passages.

    Raises:
        MissingPrerequisiteError: ir_datasets is not installed.
    """
    ir_datasets = _import(PREFIX)
    # deprecated ids say so when loaded
    ir_datasets.log.easy().logger().setLevel(logging.WARNING)
    for identifier in sorted(ir_datasets.registry._registered):
        dataset = ir_datasets.load(identifier)
        if not any(getattr(dataset, f"has_{part}")() for part in ("docs", "queries", "qrels")):
            continue
        counts = dataset.metadata()
        topics, passages = (
            counts.get(part, {}).get("count") if getattr(dataset, f"has_{part}")() else 0
            for part in ("queries", "docs")
        )
        narratives = dataset.has_queries() and "narrative" in dataset.queries_cls()._fields
        candidates = None if dataset.has_scoreddocs() else 0
        yield CatalogueEntry(PREFIX + identifier, topics, passages, dataset.has_qrels(), narratives, candidates)


def _queries(name: str) -> list[Any]:
    with _reachable(name):
        return list(_load(name, "queries").queries_iter())


def _text_of(record: Any, name: str) -> str:
    """Return the text of a document or query: ir_datasets' default text, else the field `text`."""
    if hasattr(record, "default_text"):
        return str(record.default_text())
    text, title = getattr(record, "text", None), getattr(record, "title", None)
    if not isinstance(text, str):
        raise InputError(
            f"{name}: ir_datasets defines no default text for its {type(record).__name__}, whose fields are "
            f"{', '.join(record._fields)}: write the fields to use to a file (docs/formats.md)"
        )
    return join_title(title or "", text=text)


@contextmanager
def _reachable(name: str) -> Iterator[None]:
    """Turn ir_datasets' errors about failed downloads, missing packages or a broken cache into one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # RuntimeError, OSError, EOFError, ValueError: each downloader has its own
        reason = str(error.args[0] if error.args else error) or type(error).__name__
        raise MissingPrerequisiteError(
            f"{name} is not in ir_datasets' cache and cannot be downloaded ({reason:.300}): "
            f"download it on a machine with network access, or give a file"
        ) from error


def _import(name: str) -> Any:
    try:
        import ir_datasets
    except ImportError as error:
        raise MissingPrerequisiteError(
            f"{name} needs ir_datasets, which is not installed: {pip_install('irds')}"
        ) from error
    return ir_datasets


def _load(name: str, part: str) -> Any:
    try:
        dataset = _import(name).load(name.removeprefix(PREFIX))
    except KeyError as error:
        raise InputError(f"{name}: ir_datasets has no such id; its catalogue lists all ids") from error
    if not getattr(dataset, f"has_{part}")():
        raise InputError(f"{name} has no {part}; it has {', '.join(_parts(dataset))}")
    return dataset


def _parts(dataset: Any) -> list[str]:
    return [part for part in ("docs", "queries", "qrels", "scoreddocs") if getattr(dataset, f"has_{part}")()]
