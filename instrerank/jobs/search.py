"""The job `search`: retrieve a first-stage run, with BM25 or from a server, and write it with its sidecar."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrerank.anserini.rest import SearchServer
from instrerank.collections import instructed_topics, load_topics
from instrerank.collections.loaded import is_name
from instrerank.errors import InputError
from instrerank.files import is_stream, one_process
from instrerank.jobs.described import command, described_source, name_of
from instrerank.jobs.excluded import (
    depth_with,
    described_excluded,
    excluded_documents,
    search_without,
    warn_of_excluded,
    without,
)
from instrerank.jobs.outputs import check_output
from instrerank.jobs.results import RunResult
from instrerank.jobs.served import Answers, ask, server_stage, write_texts
from instrerank.jobs.settings import settings_of
from instrerank.jobs.sidecar import configuration, read_sidecar, settle_run, write_run_with_sidecar
from instrerank.trec import Run, Topic, count_tied, read_run
from instrerank.trec.problems import counted, listed
from instrerank.trec.runs import RunFormat, check_tag
from instrerank.trec.runs import remove_query as without_query

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """Settings of `search`.

    Attributes:
        topics: as `instrerank.load_topics` takes them.
        index: folder of a Lucene index, or Pyserini's name of a prebuilt one; with `server`, its name there.
        server: address of a server of Anserini's or Pyserini's REST API that searches the index, as it is configured
            there; None: search here.
        passages: JSONL file to write with the texts of the documents found, with `server`; None: `output` with the
            suffix `.passages.jsonl`.
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
        output: run file to write, with its sidecar; None: write nothing, which is not possible with `server`.
        output_format: "trec" or "msmarco".
        resume: do nothing if `output` is complete and was made with the same configuration; with `server`, continue
            an interrupted search.
        overwrite: replace an existing `output` made with another configuration.
    """

    topics: Any
    index: str | Path
    server: str | None = None
    passages: str | Path | None = None
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

    def __post_init__(self) -> None:
        """Check that the settings are compatible.

        Raises:
            InputError: settings of a search here together with `server`, or the other way round.
        """
        if self.server is None:
            if self.passages is not None:
                raise InputError("`passages` needs `server`: an index of this machine gives its texts by `index`")
            return
        if self.output is None or is_stream(self.output):
            raise InputError("`server` needs a file as `output`: the answers are kept beside it")
        if is_stream(self.texts) or self.texts.resolve() == Path(self.output).resolve():
            raise InputError(f"`passages` must be a file of its own, got {self.texts}")
        if self.hits < 1:
            raise InputError(f"`hits` must be at least 1, got {self.hits}")
        for name in ("k1", "b", "language", "stemmer", "keep_stopwords", "pretokenized", "threads"):
            if getattr(self, name) != getattr(SearchSettings, name):
                raise InputError(f"`{name}` cannot be set with `server`, which searches as it is configured")

    @property
    def texts(self) -> Path:
        """The file for the texts of a server's documents."""
        return Path(self.passages or f"{self.output}.passages.jsonl")


class Searched(RunResult):
    """What `search` returns: the run, with the counts of topics, documents and ties."""

    __slots__ = ()


def search(topics: Any, index: str | Path, **settings: Any) -> Searched:
    """Search topics with BM25, or with `server` as that is configured: its documents, in trec_eval's order.

    Args:
        topics: as `instrerank.load_topics` takes them.
        index: folder of a Lucene index, or Pyserini's name of a prebuilt one; with `server`, its name there.
        **settings: other fields of `SearchSettings`.

    Raises:
        InputError: no such index, one that BM25 cannot search or that was built with another analyzer, bad topics,
            documents excluded for qids that are not topics, parameters out of range, or an existing `output` that must
            not be replaced.
        MissingPrerequisiteError: Java or pyserini is missing, or a prebuilt index cannot be downloaded; the server
            does not answer or wants an access token.
        InstrerankError: Anserini or the server failed on a topic.
    """
    return run_search(settings_of(SearchSettings, topics=topics, index=index, **settings))


def run_search(settings: SearchSettings) -> Searched:
    """Run `search` with the given settings."""
    started = time.perf_counter()
    check_tag(settings.runtag)
    output = None if settings.output is None else Path(settings.output)
    if output is not None:
        check_output(output, {"topics": settings.topics, "index": settings.index, "exclude": settings.exclude})
    topics = instructed_topics(settings.topics, limit=settings.limit)
    excluded: dict[str, set[str]] = {}
    if settings.exclude is not None:
        known = topics if settings.limit is None else load_topics(settings.topics)
        found = excluded_documents(settings.exclude, known)
        excluded = {topic.qid: found[topic.qid] for topic in topics if topic.qid in found}
    if settings.server is not None and output is not None:
        with one_process(output):
            return _search_server(settings, topics, excluded, output)
    from instrerank.anserini import BM25Searcher

    searcher = BM25Searcher(settings.index, settings.k1, settings.b, **_analysis_options(settings))
    stage = bm25_stage(searcher, settings.hits, str(settings.index), settings.remove_query)
    if settings.exclude is not None:
        stage["excluded"] = described_excluded(settings.exclude, excluded)
    data = _described_topics(settings, topics)
    wanted = configuration(settings.runtag, [stage], data)
    if output and settle_run(output, wanted, resume=settings.resume, overwrite=settings.overwrite):
        return _complete(output)
    opened = time.perf_counter()
    run, dropped = search_without(searcher, topics, excluded, settings.hits, threads=settings.threads)
    seconds = {"open index": opened - started, "search": time.perf_counter() - opened}
    searched = _written(settings, topics, run, stage, data, seconds, _excluded_counts(settings, run, dropped))
    if topics and len(searched.counts["topics without candidates"]) == len(topics):
        log.warning(
            f"no topic has results in {settings.index}, searched with {searcher.analysis}: if another analyzer "
            f"built it, name that one (language, stemmer, keep_stopwords, pretokenized)"
        )
    return searched


def _search_server(
    settings: SearchSettings, topics: list[Topic], excluded: Mapping[str, Collection[str]], output: Path
) -> Searched:
    """Write the run of a server, and the texts of its documents."""
    server = SearchServer(str(settings.server), str(settings.index))
    texts = settings.texts
    check_output(texts, {"topics": settings.topics, "output": output})
    stage = server_stage(server, settings.hits, settings.remove_query)
    if settings.exclude is not None:
        stage["excluded"] = described_excluded(settings.exclude, excluded)
    data = _described_topics(settings, topics)
    wanted = configuration(settings.runtag, [stage], data)
    ours = output.exists()
    complete = settle_run(output, wanted, resume=settings.resume, overwrite=settings.overwrite)
    if complete and texts.exists():
        return _complete(output)
    answers = Answers(output, wanted, resume=settings.resume, overwrite=settings.overwrite)
    if texts.exists() and not (ours or answers.qids or settings.overwrite):
        raise InputError(f"{texts} exists: choose another `passages`, or replace it with `overwrite`")
    started = time.perf_counter()
    found = Run("", ask(server, topics, depth_with(settings.hits, excluded), answers))
    run, dropped = without(found, topics, excluded, settings.hits)
    seconds = {"search": time.perf_counter() - started}
    counts = write_texts(texts, answers)
    if counts["passages without text"]:
        log.warning(f"{counted(counts['passages without text'], 'document')} came without text")
    counts |= _excluded_counts(settings, run, dropped)
    searched = _written(settings, topics, run, stage, data, seconds, counts)
    answers.path.unlink(missing_ok=True)
    log.info(f"{texts}: {counted(counts['passages'], 'passage')}")
    return searched


def _excluded_counts(settings: SearchSettings, run: Run, dropped: int) -> dict[str, int]:
    """Count the excluded documents, or warn of those that the task of the topics would exclude."""
    if settings.exclude is not None:
        log.info(f"{counted(dropped, 'excluded document')} among the results dropped")
        return {"excluded documents": dropped}
    if is_name(settings.topics):
        warn_of_excluded(run, str(settings.topics))
    return {}


def _described_topics(settings: SearchSettings, topics: list[Topic]) -> dict[str, Any]:
    limit = {} if settings.limit is None else {"limit": settings.limit}
    return {"topics": described_source(settings.topics, topics) | limit}


def _complete(output: Path) -> Searched:
    log.info(f"{output} is complete and was made with the same configuration: nothing to do")
    return Searched(read_run(output), read_sidecar(output)["run"]["counts"], output)


def _written(
    settings: SearchSettings,
    topics: list[Topic],
    found: Run,
    stage: dict[str, Any],
    data: dict[str, Any],
    seconds: dict[str, float],
    more_counts: dict[str, int],
) -> Searched:
    """Write the run with its sidecar, and say what is missing in it."""
    run = Run(settings.runtag, found.rankings)
    if settings.remove_query:
        run = without_query(run)
    counts = search_counts(run, [topic.qid for topic in topics]) | more_counts
    absent = counts["topics without candidates"]
    if absent:
        log.warning(f"{counted(len(absent), 'topic')} without results: {listed(absent)}")
    output = None if settings.output is None else Path(settings.output)
    if output is not None:
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
    here = settings.server is None
    flags = {
        "--server": settings.server,
        "--index": settings.index,
        "--topics": name_of(settings.topics),
        "--hits": settings.hits,
        "--k1": settings.k1 if here else None,
        "--b": settings.b if here else None,
        "--language": settings.language,
        "--stemmer": settings.stemmer,
        "--keep-stopwords": settings.keep_stopwords,
        "--pretokenized": settings.pretokenized,
        "--remove-query": settings.remove_query,
        "--exclude": None if settings.exclude is None else name_of(settings.exclude),
        "--limit": settings.limit,
        "--runtag": None if settings.runtag == SearchSettings.runtag else settings.runtag,
        "--output-format": None if settings.output_format == "trec" else settings.output_format,
        "--passages": settings.passages,
        "--output": settings.output,
    }
    return command("search", flags)
