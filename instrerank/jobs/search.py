"""The job `search`: retrieve a first-stage run with BM25 and write it with its sidecar."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrerank.collections import instructed_topics
from instrerank.jobs.described import command, described_source, name_of
from instrerank.jobs.outputs import check_output
from instrerank.jobs.results import RunResult
from instrerank.jobs.settings import settings_of
from instrerank.jobs.sidecar import configuration, settle_run, write_run_with_sidecar
from instrerank.trec import Run, count_tied, read_run
from instrerank.trec.problems import counted, listed
from instrerank.trec.runs import RunFormat, check_tag
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
            parameters out of range, or an existing `output` that must not be replaced.
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
        check_output(output, {"topics": settings.topics, "index": settings.index})
    topics = instructed_topics(settings.topics, limit=settings.limit)
    searcher = BM25Searcher(settings.index, settings.k1, settings.b, **_analysis_options(settings))
    stage = bm25_stage(searcher, settings.hits, str(settings.index), settings.remove_query)
    data = {"topics": described_source(settings.topics, topics)}
    if settings.limit is not None:
        data["topics"]["limit"] = settings.limit
    wanted = configuration(settings.runtag, [stage], data)
    if output and settle_run(output, wanted, resume=settings.resume, overwrite=settings.overwrite):
        log.info(f"{output} is complete and was made with the same configuration: nothing to do")
        run = read_run(output)
        return Searched(run, search_counts(run, [topic.qid for topic in topics]), output)
    opened = time.perf_counter()
    run = Run(settings.runtag, searcher.batch_search(topics, settings.hits, settings.threads))
    if settings.remove_query:
        run = without_query(run)
    counts = search_counts(run, [topic.qid for topic in topics])
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
        "--limit": settings.limit,
        "--runtag": None if settings.runtag == SearchSettings.runtag else settings.runtag,
        "--output-format": None if settings.output_format == "trec" else settings.output_format,
        "--output": settings.output,
    }
    return command("search", flags)
