"""The job `search`: retrieve a first-stage run with BM25 and write it with its sidecar."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrerank.collections import instructed_topics, load_excluded, load_topics, mteb_data
from instrerank.collections.loaded import is_name
from instrerank.errors import InputError
from instrerank.jobs.described import command, described_source, name_of
from instrerank.jobs.outputs import check_output
from instrerank.jobs.results import RunResult
from instrerank.jobs.settings import settings_of
from instrerank.jobs.sidecar import configuration, read_sidecar, settle_run, write_run_with_sidecar
from instrerank.reranking.candidates import without_excluded
from instrerank.trec import Run, Topic, count_tied, read_run
from instrerank.trec.problems import counted, listed
from instrerank.trec.runs import RunFormat, check_tag, cut_run
from instrerank.trec.runs import remove_query as without_query

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Settings of `search`.

    Attributes:
        topics: as `instrerank.load_topics` takes them.
        index: folder of a Lucene index, or Pyserini's name of a prebuilt one.
        hits: number of documents per topic.
        k1: BM25 k1.
        b: BM25 b.
        language: code of the queries' analyzer, one of `instrerank.anserini.LANGUAGES`; this and the next three are as
            the index was built if None, or as Anserini's defaults (English, Porter) if the index has no record of it.
        stemmer: of English: "porter", "krovetz" or "none".
        keep_stopwords: keep English stop words.
        pretokenized: split queries at whitespace only.
        remove_query: drop the document whose docid is the qid, as for ArguAna, whose queries are documents.
        exclude: documents that may not be retrieved, by qid, as `instrerank.collections.load_excluded` takes them; the
            next ones take their places among the `hits`.
        threads: number of Java threads.
        limit: search only the first `limit` topics; None: all.
        runtag: tag of the run.
        output: run file to write, with its sidecar; None: write nothing.
        output_format: "trec" or "msmarco".
        resume: do nothing if `output` is complete and was made with the same configuration.
        overwrite: replace an existing `output` made with another configuration.
    """

    topics: Any
    index: str | Path
    hits: int = 1000
    k1: float = 0.9
    b: float = 0.4
    language: str | None = None
    stemmer: str | None = None
    keep_stopwords: bool | None = None
    pretokenized: bool | None = None
    remove_query: bool = False
    exclude: Any = None
    threads: int = 1
    limit: int | None = None
    runtag: str = "Anserini"
    output: str | Path | None = None
    output_format: RunFormat = "trec"
    resume: bool = False
    overwrite: bool = False


class Searched(RunResult):
    """What `search` returns: the run, with the counts of topics, documents and ties."""

    __slots__ = ()


def search(topics: Any, index: str | Path, **settings: Any) -> Searched:
    """Search topics with BM25: Pyserini's documents and scores, in trec_eval's order.

    Args:
        topics: as `instrerank.load_topics` takes them.
        index: folder of a Lucene index, or Pyserini's name of a prebuilt one.
        **settings: other fields of `SearchSettings`.

    Raises:
        InputError: no such index, one that BM25 cannot search or that was built with another analyzer, bad topics,
            documents excluded for qids that are not topics, parameters out of range, or an existing `output` that must
            not be replaced.
        MissingPrerequisiteError: Java or pyserini is missing, or a prebuilt index cannot be downloaded.
    """
    return run_search(settings_of(SearchSettings, topics=topics, index=index, **settings))


def run_search(settings: SearchSettings) -> Searched:
    """Run `search` with the given settings."""
    from instrerank.anserini import BM25Searcher

    started = time.perf_counter()
    check_tag(settings.runtag)
    output = None if settings.output is None else Path(settings.output)
    if output is not None:
        check_output(output, {"topics": settings.topics, "index": settings.index, "exclude": settings.exclude})
    topics = instructed_topics(settings.topics, limit=settings.limit)
    excluded: dict[str, set[str]] = {}
    if settings.exclude is not None:
        known = topics if settings.limit is None else load_topics(settings.topics)
        excluded = excluded_documents(settings.exclude, known)
    searcher = BM25Searcher(settings.index, settings.k1, settings.b, **_analysis_options(settings))
    stage = bm25_stage(searcher, settings.hits, str(settings.index), settings.remove_query)
    if settings.exclude is not None:
        stage["excluded"] = described_excluded(settings.exclude, excluded)
    data = {"topics": described_source(settings.topics, topics)}
    if settings.limit is not None:
        data["topics"]["limit"] = settings.limit
    wanted = configuration(settings.runtag, [stage], data)
    if output and settle_run(output, wanted, resume=settings.resume, overwrite=settings.overwrite):
        log.info(f"{output} is complete and was made with the same configuration: nothing to do")
        return Searched(read_run(output), read_sidecar(output)["run"]["counts"], output)
    opened = time.perf_counter()
    run, dropped = search_without(searcher, topics, excluded, settings.hits, threads=settings.threads)
    run = Run(settings.runtag, run.rankings)
    if settings.remove_query:
        run = without_query(run)
    counts = search_counts(run, [topic.qid for topic in topics])
    if settings.exclude is not None:
        counts["excluded documents"] = dropped
        log.info(f"{counted(dropped, 'excluded document')} among the results dropped")
    elif is_name(settings.topics):
        warn_of_excluded(run, str(settings.topics))
    if counts["topics without candidates"]:
        absent = counts["topics without candidates"]
        log.warning(f"{counted(len(absent), 'topic')} without results: {listed(absent)}")
        if len(absent) == len(topics):
            log.warning(
                f"no topic has results in {settings.index}, searched with {searcher.analysis}: if another analyzer "
                f"built it, name that one (language, stemmer, keep_stopwords, pretokenized)"
            )
    if output is not None:
        seconds = {"open index": opened - started, "search": time.perf_counter() - opened}
        write_run_with_sidecar(
            output,
            run,
            output_format=settings.output_format,
            retrieval=[stage],
            data=data,
            counts=counts,
            command=search_command(settings),
            seconds=seconds,
        )
        log.info(f"{output}: {counted(len(topics), 'topic')}, {counted(counts['candidates'], 'document')}")
    return Searched(run, counts, output)


def excluded_documents(source: Any, topics: Sequence[Topic]) -> dict[str, set[str]]:
    """Return the documents that may not be retrieved, by qid.

    Args:
        source: as `instrerank.collections.load_excluded` takes it.
        topics: all topics.

    Raises:
        InputError: documents are excluded for a qid that is not a topic's; or as `load_excluded`.
    """
    found = load_excluded(source)
    known = {topic.qid for topic in topics}
    absent = [qid for qid in found if qid not in known]
    if absent:
        what = counted(len(absent), "qid")
        raise InputError(f"documents are excluded for {what} that the topics do not have: {listed(absent)}")
    return found


def described_excluded(source: Any, excluded: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Return what identifies excluded documents in a sidecar."""
    return described_source(source, {qid: sorted(docids) for qid, docids in excluded.items()})


def search_without(
    searcher: Any, topics: Sequence[Topic], excluded: Mapping[str, Collection[str]], hits: int, *, threads: int = 1
) -> tuple[Run, int]:
    """Search topics, leaving out the documents excluded for each; the next ones take their places.

    Args:
        searcher: BM25.
        topics: to search.
        excluded: docids by qid; those of other qids are ignored.
        hits: number of documents per topic.
        threads: number of Java threads.

    Returns:
        The run, and how many excluded documents it would have had.
    """
    excluded = {topic.qid: excluded[topic.qid] for topic in topics if topic.qid in excluded}
    depth = hits + max(map(len, excluded.values()), default=0)
    run = Run("Anserini", searcher.batch_search(topics, depth, threads))
    if not excluded:
        return run, 0
    dropped = _count_excluded(cut_run(run, hits), excluded)
    return cut_run(without_excluded(run, excluded, topics)[0], hits), dropped


def warn_of_excluded(run: Run, name: str) -> None:
    """Warn if a run has documents that the task of its topics excludes."""
    if not mteb_data.excludes(name):
        return
    found = _count_excluded(run, load_excluded(name))
    if found:
        what = f"{counted(found, 'document')} among the results"
        log.warning(f"{what} may not be retrieved by {name}: give `exclude` {name} to leave them out")


def _count_excluded(run: Run, excluded: Mapping[str, Collection[str]]) -> int:
    return sum(each.docid in excluded.get(qid, ()) for qid, ranking in run.rankings.items() for each in ranking)


def _analysis_options(settings: SearchSettings) -> dict[str, Any]:
    names = ("language", "stemmer", "keep_stopwords", "pretokenized")
    return {name: getattr(settings, name) for name in names if getattr(settings, name) is not None}


def bm25_stage(searcher: Any, hits: int, index: str, remove_query: bool = False) -> dict[str, Any]:
    """Return everything that determines a BM25 run, as a stage of ir_metadata's `retrieval`.

    Args:
        searcher: the searcher.
        hits: number of documents per topic.
        index: name of the index in the record.
        remove_query: whether the document whose docid is the qid was dropped.
    """
    from instrerank.anserini import versions

    chosen = searcher.analysis.chosen()
    return {
        "name": "bm25",
        "k1": searcher.k1,
        "b": searcher.b,
        "analyzer": searcher.analyzer,
        **({"analysis": chosen} if chosen else {}),
        **({"remove query": True} if remove_query else {}),
        "software": versions(),
        "hits": hits,
        "index": {"source": index, "documents": searcher.documents},
    }


def search_counts(run: Run, qids: list[str]) -> dict[str, Any]:
    """Return the counts of a first-stage run for its sidecar."""
    return {
        "queries": len(qids),
        "topics without candidates": [qid for qid in qids if not run.rankings.get(qid)],
        "candidates": sum(run.sizes.values()),
        "candidates with tied scores": sum(map(count_tied, run.rankings.values())),
    }


def search_command(settings: SearchSettings) -> list[str]:
    """Return the command that reproduces the run."""
    flags = {
        "--index": settings.index,
        "--topics": name_of(settings.topics),
        "--hits": settings.hits,
        "--k1": settings.k1,
        "--b": settings.b,
        "--language": settings.language,
        "--stemmer": settings.stemmer,
        "--keep-stopwords": settings.keep_stopwords,
        "--pretokenized": settings.pretokenized,
        "--remove-query": settings.remove_query,
        "--exclude": None if settings.exclude is None else name_of(settings.exclude),
        "--limit": settings.limit,
        "--runtag": None if settings.runtag == SearchSettings.runtag else settings.runtag,
        "--output-format": None if settings.output_format == "trec" else settings.output_format,
        "--output": settings.output,
    }
    return command("search", flags)
