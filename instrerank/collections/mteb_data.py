"""Topics, instructions, qrels, candidates and passages of mteb's retrieval tasks, loaded by mteb's own classes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.collections.mteb_tasks import PREFIX, find_task, import_mteb
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.evaluation.instructions import Kind, under_instructions
from instrerank.trec import Passage, Qrels, Run, ScoredDoc, Topic
from instrerank.trec.passages import join_title
from instrerank.trec.problems import listed
from instrerank.trec.records import is_empty

if TYPE_CHECKING:
    from mteb.abstasks import AbsTaskRetrieval

log = logging.getLogger(__name__)


class _Data(NamedTuple):
    """One subset and split of a task, with mteb's own ids.

    Attributes:
        topics: topics with their instructions by qid.
        qrels: judgements of these topics.
        top_ranked: the docids that mteb ranks for each topic; empty if it ranks the whole corpus.
        corpus: mteb's dataset with the columns `id`, `text` and, for some tasks, `title`.
        filters: whether `top_ranked` is the corpus without the documents excluded for a topic, as BRIGHT has it.
        own_excluded: whether mteb drops the document whose docid is the qid.
    """

    topics: dict[str, Topic]
    qrels: Qrels
    top_ranked: Mapping[str, list[str]]
    corpus: Any
    filters: bool
    own_excluded: bool


class MtebPassages:
    """The corpus of a task, with mteb's text: title, space, body, without whitespace around it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._corpus = _data(name)[0].corpus
        self._rows: dict[str, int] = {}

    def __iter__(self) -> Iterator[Passage]:
        """Yield every passage in the order of the corpus."""
        return (Passage(str(row["id"]), _text(row)) for row in self._corpus)

    def lookup(self, docids: Iterable[str]) -> dict[str, str]:
        """Return the texts of the docids found; for a duplicate docid the last one, as in mteb."""
        self._rows = self._rows or {str(docid): row for row, docid in enumerate(self._corpus["id"])}
        return {docid: _text(self._corpus[self._rows[docid]]) for docid in docids if docid in self._rows}


def mteb_topics(name: str) -> list[Topic]:
    """Return the judged topics of a task; FollowIR's have plain qids and their original or `:changed` instructions.

    Raises:
        InputError: an unknown task, or one without text retrieval; an unknown or missing subset or split; a query
            without text.
        MissingPrerequisiteError: mteb is not installed, or the task's data are neither cached nor downloadable.
    """
    data, kind = _data(name)
    topics = [topic._replace(qid=qid) for qid, topic in under_instructions(data.topics, kind).items()]
    empty = [topic.qid for topic in topics if is_empty(topic.text)]
    if empty:
        raise InputError(f"{name}: {len(empty)} of {len(topics)} queries have an empty text: {listed(empty)}")
    return topics


def mteb_instructions(name: str) -> dict[str, str]:
    """Return the instructions of a task by qid; errors as for `mteb_topics`.

    Raises:
        InputError: also for a task without instructions.
    """
    instructions = {topic.qid: topic.instruction for topic in mteb_topics(name)}
    if not any(instructions.values()):
        raise InputError(
            f"{name} has no instructions: give a file, or choose a task that has them (instrerank collections)"
        )
    return instructions


def mteb_qrels(name: str) -> Qrels:
    """Return the qrels of a task, for FollowIR the original or `:changed` ones; errors as for `mteb_topics`."""
    data, kind = _data(name)
    return under_instructions(data.qrels, kind)


def mteb_run(name: str) -> Run:
    """Return the candidates of a task, which mteb gives without scores, in the order of its lists.

    Raises:
        InputError: also for a task whose topics rank the whole corpus.
    """
    data, kind = _data(name)
    if not data.top_ranked:
        raise InputError(f"{name} has no candidates, mteb ranks its whole corpus: make a first stage (index, search)")
    rankings = {}
    for qid, docids in under_instructions(_allowed(data), kind).items():
        rankings[qid] = [ScoredDoc(docid, float(len(docids) - place)) for place, docid in enumerate(docids)]
    deepest = max(map(len, rankings.values()))
    log.info(f"{name}: candidates without scores, up to {deepest} per topic; mteb reranks all: give `hits` {deepest}")
    return Run(name.removeprefix(PREFIX), rankings)


def mteb_excluded(name: str) -> dict[str, list[str]]:
    """Return the documents that may not be retrieved, by qid: BRIGHT's `excluded_ids`, and for some tasks the query.

    Raises:
        InputError: also for a task that excludes none.
    """
    data, kind = _data(name)
    excluded: dict[str, list[str]] = {qid: [qid] for qid in data.topics if data.own_excluded}
    if data.filters:
        docids = [str(docid) for docid in data.corpus["id"]]
        for qid, allowed in data.top_ranked.items():
            kept = set(allowed)
            excluded.setdefault(qid, []).extend(docid for docid in docids if docid not in kept)
    found = {qid: docids for qid, docids in under_instructions(excluded, kind).items() if docids}
    if not found:
        raise InputError(f"{name} excludes no document")
    return found


def excludes(name: str) -> bool:
    """Return whether a name of topics is a task that excludes documents (see `mteb_excluded`)."""
    if not name.startswith(PREFIX):
        return False
    data, _ = _data(name)
    return data.filters or data.own_excluded


def _text(row: Mapping[str, Any]) -> str:
    return join_title(row.get("title") or "", text=row["text"]).strip()


def _allowed(data: _Data) -> dict[str, list[str]]:
    """Return the distinct docids that mteb ranks for each topic."""
    return {
        qid: [docid for docid in dict.fromkeys(docids) if not (data.own_excluded and docid == qid)]
        for qid, docids in data.top_ranked.items()
        if qid in data.topics
    }


def _data(name: str) -> tuple[_Data, Kind]:
    """Return the data that a name refers to, and which instructions."""
    task, subset, split, kind = find_task(name)
    data = _load(task.metadata.name, subset, split)
    if kind == "changed" and under_instructions(data.topics, kind) == data.topics:
        raise InputError(f"{name}: the task has no changed instructions: give {name.removesuffix(':changed')}")
    return data, kind


@lru_cache(maxsize=2)
def _load(task_name: str, subset: str, split: str) -> _Data:
    name = f"{PREFIX}{task_name}"
    task = import_mteb(name).get_task(task_name, eval_splits=[split])
    if task.metadata.is_multilingual:
        task = task.filter_languages(None, hf_subsets=[subset])
    try:
        with _without_bars():
            task.load_data()
            task.convert_v1_dataset_format_to_v2(num_proc=None)
        return _converted(name, task, subset, split)
    except InputError:
        raise
    except Exception as error:  # each of mteb's loaders, datasets and huggingface_hub has its own
        raise _load_error(name, task, error) from error


def _converted(name: str, task: AbsTaskRetrieval, subset: str, split: str) -> _Data:
    part = task.dataset[subset][split]
    qrels = {
        str(qid): {str(docid): int(grade) for docid, grade in grades.items()}
        for qid, grades in part["relevant_docs"].items()
        if grades
    }
    # mteb, too, drops queries without judgements
    topics = {str(row["id"]): _topic(name, row) for row in part["queries"] if str(row["id"]) in qrels}
    top_ranked = {str(qid): [str(docid) for docid in docids] for qid, docids in (part["top_ranked"] or {}).items()}
    return _Data(
        topics,
        {qid: grades for qid, grades in qrels.items() if qid in topics},
        top_ranked,
        part["corpus"],
        filters=bool(top_ranked) and "Reranking" not in task.metadata.type,
        own_excluded=task.ignore_identical_ids,
    )


@contextmanager
def _without_bars() -> Iterator[None]:
    """Hide the bars of datasets' conversions; those of downloads stay."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _topic(name: str, row: Mapping[str, Any]) -> Topic:
    if not isinstance(row["text"], str):
        raise InputError(f"{name}: its queries are conversations, which have no single text; write topics to a file")
    return Topic(str(row["id"]), row["text"], row.get("instruction") or "")


def _load_error(name: str, task: AbsTaskRetrieval, error: Exception) -> Exception:
    reason = f"{type(error).__name__}: {error}"[:300]
    if isinstance(error, KeyError | TypeError) or str(error).startswith("Split "):
        return InputError(f"{name}: mteb cannot read the task's data ({reason}): the splits or columns are missing")
    dataset = task.metadata.dataset
    return MissingPrerequisiteError(
        f"{name} is not in the Hugging Face cache and cannot be downloaded ({reason}): download the dataset "
        f"{dataset['path']} at revision {dataset['revision']} on a machine with network access, by "
        f"python -c 'import mteb; mteb.get_task(\"{task.metadata.name}\").load_data()', and copy its cache (HF_HOME)"
    )
