"""The settings of the jobs that make a study's runs, with paths relative to the study's folder."""

from __future__ import annotations

from pathlib import Path

from instrerank.jobs.rerank import RerankSettings
from instrerank.jobs.search import SearchSettings
from instrerank.study.plan import Cell, Plan
from instrerank.study.query_files import query_files


def search_settings(plan: Plan, cell: Cell, index: str) -> SearchSettings:
    """Return the settings of the `search` that makes a first-stage run."""
    configuration = plan.configuration
    return SearchSettings(
        topics=query_files(plan, cell)[0],
        index=_from_anywhere(index),
        hits=configuration.search_hits,
        exclude=_from_anywhere(configuration.exclude) if configuration.exclude else None,
        k1=configuration.k1,
        b=configuration.b,
        output=cell.path(configuration),
    )


def rerank_settings(plan: Plan, cell: Cell) -> RerankSettings:
    """Return the settings of the `rerank` that makes a reranked run."""
    configuration, choice = plan.configuration, cell.encoder
    if choice is None:
        raise ValueError("the first stage is searched, not reranked")
    topics, instructions = query_files(plan, cell)
    return RerankSettings(
        run=plan.first_stage_path(cell).as_posix(),
        topics=topics,
        corpus=_from_anywhere(configuration.corpus) if configuration.corpus else None,
        index=None if configuration.corpus else _from_anywhere(str(configuration.index)),
        encoder=_from_anywhere(choice.encoder),
        load=choice.load,
        instruction=plan.prompts.get(cell.condition),
        instructions=instructions,
        hits=configuration.hits,
        fusion=choice.fusion,
        alpha=choice.alpha,
        rrf_k=choice.rrf_k,
        max_passage=choice.max_passage,
        max_passage_stride=choice.max_passage_stride,
        missing="skip",
        empty=configuration.empty,
        runtag="-".join(cell.system),
        output=cell.path(configuration),
    )


def _from_anywhere(source: str) -> str:
    """Return the absolute path if it exists, a name unchanged."""
    return str(Path(source).absolute()) if Path(source).exists() else source
