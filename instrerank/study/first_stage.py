"""The first stage of a study: its index, its BM25 runs, and the texts of their candidates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from instrerank.collections import PassageSource, load_run, open_passages
from instrerank.errors import InputError
from instrerank.files import sha256
from instrerank.jobs.described import command, described_source
from instrerank.jobs.excluded import described_excluded, search_without, warn_of_excluded
from instrerank.jobs.search import bm25_stage, search_command, search_counts
from instrerank.jobs.sidecar import write_run_with_sidecar
from instrerank.reranking import candidate_docids
from instrerank.reranking.candidates import without_excluded
from instrerank.study.configuration import Configuration
from instrerank.study.folder import Log, is_complete, read_study_run
from instrerank.study.plan import CLEAN, Cell, Plan
from instrerank.study.query_files import query_files
from instrerank.study.settings import search_settings
from instrerank.trec import Run
from instrerank.trec.problems import counted, listed
from instrerank.trec.records import is_empty

INDEX = "index"
"""Folder of the index that a study builds, within the study's folder."""


def write_first_stage(plan: Plan, folder: Path, cells: Sequence[Cell], log: Log) -> None:
    """Write the first-stage runs of some cells: the given run, or BM25's.

    Raises:
        InputError: a run or an index that cannot be used.
        MissingPrerequisiteError: BM25 has to search, and Java or pyserini is missing.
    """
    configuration = plan.configuration
    searched = [cell for cell in cells if cell.mode == "retrieve" or not configuration.run]
    for cell in cells:
        if cell not in searched:
            _write_given(plan, folder, cell)
    if searched:
        with log.timed(step="search", runs=len(searched)):
            _search(plan, folder, searched)


def first_stage_run(plan: Plan, folder: Path, cell: Cell) -> Run | None:
    """Return the first-stage run of a cell; None if BM25 has not searched yet."""
    path = folder / cell.path(plan.configuration)
    if is_complete(path):
        return read_study_run(path)
    return _given(plan) if cell.mode == "fixed" and plan.configuration.run else None


def candidate_texts(plan: Plan, runs: Iterable[Run]) -> dict[str, str]:
    """Return by docid the texts of the candidates to rerank in any of the runs.

    Raises:
        InputError: a candidate without text, or with an empty one unless the configuration allows it.
    """
    docids = list(dict.fromkeys(docid for run in runs for docid in candidate_docids(run, plan.configuration.hits)))
    passages = open_study_passages(plan.configuration)
    found = passages.lookup(docids)
    allowed = found if plan.configuration.empty == "score-last" else ()
    absent = [docid for docid in docids if not found.get(docid, "").strip() and docid not in allowed]
    if absent:
        empty = sum(docid in found for docid in absent)
        known = f"; empty: score-last ranks the {empty} that are empty last" if empty else ""
        what = counted(len(absent), "candidate docid")
        raise InputError(f"{passages.name}: no text for {what}: {listed(absent)}{known}")
    return {docid: found[docid] for docid in docids}


def readable(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts that are not empty: those that an encoder reads."""
    return {docid: text for docid, text in texts.items() if not is_empty(text)}


def open_study_passages(configuration: Configuration) -> PassageSource:
    """Open the passages of a study."""
    if configuration.corpus:
        return open_passages(configuration.corpus)
    from instrerank.anserini import IndexPassages

    return IndexPassages(str(configuration.index))


def _write_given(plan: Plan, folder: Path, cell: Cell) -> None:
    """Write the given run in trec_eval's order: a study needs no file outside its folder."""
    given = _given(plan)
    stage = {"name": "first stage", "tag": given.tag, **described_source(str(plan.configuration.run))}
    stage |= _excluded(plan)
    _write(plan, folder, cell, given, stage)


def _given(plan: Plan) -> Run:
    """Read the given run of the judged topics."""
    given = load_run(str(plan.configuration.run), keep_first_duplicate=True)
    rankings = {topic.qid: given.rankings[topic.qid] for topic in plan.topics if topic.qid in given.rankings}
    run = Run(given.tag, rankings)
    return without_excluded(run, plan.excluded, plan.topics)[0] if plan.excluded else run


def _search(plan: Plan, folder: Path, cells: Sequence[Cell]) -> None:
    from instrerank.anserini import BM25Searcher, build_index

    configuration = plan.configuration
    index = configuration.index or folder / INDEX
    if not configuration.index and not (folder / INDEX).exists():
        build_index(open_study_passages(configuration), folder / INDEX)
    searcher = BM25Searcher(index, configuration.k1, configuration.b)
    stage = bm25_stage(searcher, configuration.search_hits, configuration.index or INDEX) | _excluded(plan)
    for cell in cells:
        topics = plan.topics_of(cell.condition, cell.variation)
        run, _ = search_without(searcher, topics, plan.excluded, configuration.search_hits)
        if not configuration.exclude and cell.variation.name == CLEAN:
            warn_of_excluded(run, configuration.topics)
        _write(plan, folder, cell, run, stage)


def _excluded(plan: Plan) -> dict[str, Any]:
    """Return the record of excluded documents for the first stage; empty without any."""
    source = plan.configuration.exclude
    return {"excluded": described_excluded(source, plan.excluded)} if source else {}


def _write(plan: Plan, folder: Path, cell: Cell, run: Run, stage: dict[str, Any]) -> None:
    if cell.variation.name == CLEAN and not any(run.rankings.values()):
        raise InputError(
            f"{stage['name']} has no candidate for any topic of {plan.configuration.topics}: do topics and passages "
            "match, and are not all candidates excluded?"
        )
    path, (topics, _) = cell.path(plan.configuration), query_files(plan, cell)
    write_run_with_sidecar(
        folder / path,
        run,
        retrieval=[stage],
        data={"topics": {"source": topics, "sha256": sha256(folder / topics)}},
        counts=search_counts(run, [topic.qid for topic in plan.topics]),
        command=(
            search_command(search_settings(plan, cell, stage["index"]["source"]))
            if stage["name"] == "bm25"
            else command("study", {"--run": stage["source"]})
        ),
    )
