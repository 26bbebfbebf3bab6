"""What `rerank` reads: the first stage, topics with instructions, and the texts of candidates, each as recorded."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instrerank.collections import instructed_topics, load_excluded, load_run, open_passages
from instrerank.collections.candidate_texts import CandidateTexts
from instrerank.collections.loaded import is_name
from instrerank.errors import InputError
from instrerank.jobs.described import described_instructions, described_source, described_texts, name_of
from instrerank.reranking.candidates import without_excluded
from instrerank.trec import Run, Topic
from instrerank.trec.problems import own_documents

if TYPE_CHECKING:
    from instrerank.jobs.rerank import RerankSettings

log = logging.getLogger(__name__)


class Inputs(NamedTuple):
    """The inputs of a reranking.

    Attributes:
        first_stage: the first-stage run.
        topics: the topics with their instructions.
        texts: passage text of the candidates by docid.
        stage: record of the first stage for the sidecar.
        data: record of topics, passages and instructions for the sidecar.
    """

    first_stage: Run
    topics: list[Topic]
    texts: Mapping[str, str]
    stage: dict[str, Any]
    data: dict[str, Any]


def read_inputs(settings: RerankSettings) -> Inputs:
    """Read the first stage, its topics and the texts of its candidates; rank_llm requests contain all three.

    Raises:
        InputError: an input cannot be read, or is missing.
        MissingPrerequisiteError: as for `rerank`.
    """
    topics: Any = settings.topics
    passages = settings.corpus if settings.corpus is not None else settings.index
    texts: Mapping[str, str] = {}
    if is_name(settings.run) and {".jsonl", ".json"} & set(Path(settings.run).suffixes):
        from instrerank.integrations.rank_llm import read_requests

        requested, first_stage, texts = read_requests(settings.run)
        topics = requested if topics is None else topics
    elif topics is None or passages is None:
        raise InputError(f"reranking {name_of(settings.run)} needs `topics`, and passages by `corpus` or `index`")
    else:
        first_stage = load_run(settings.run, keep_first_duplicate=True)
    loaded = instructed_topics(
        topics,
        settings.instructions,
        instruction=settings.instruction,
        missing=settings.missing,
        limit=settings.limit,
    )
    stage = {"name": "first stage", "tag": first_stage.tag, **described_source(settings.run, first_stage)}
    if settings.exclude is not None:
        excluded = load_excluded(settings.exclude)
        first_stage, dropped = without_excluded(first_stage, excluded, loaded)
        stage["excluded"] = {
            **described_source(settings.exclude, {qid: sorted(docids) for qid, docids in excluded.items()}),
            "documents": dropped,
        }
    warn_of_own_documents(first_stage)
    if passages is not None:
        # in the order in which they are scored
        docids = (
            document.docid for topic in loaded for document in first_stage.rankings.get(topic.qid, [])[: settings.hits]
        )
        texts = CandidateTexts(open_passages(passages), docids)
    source = settings.run if settings.topics is None else settings.topics
    data = {
        "topics": described_source(source, loaded),
        "passages": described_texts(settings.run if passages is None else passages, texts),
        "instructions": described_instructions(settings.instructions, settings.instruction, loaded),
    }
    if settings.limit is not None:
        data["topics"]["limit"] = settings.limit
    return Inputs(first_stage, loaded, texts, stage, data)


def warn_of_own_documents(run: Run) -> None:
    """Log whether the topics of a first stage retrieve themselves."""
    found = [qid for qid, ranking in run.rankings.items() if any(document.docid == qid for document in ranking)]
    own = own_documents(found, len(run.rankings))
    if own:
        log.warning(f"the first stage: {own}")
