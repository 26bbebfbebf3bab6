"""The job `perturb`: make perturbed query sets from topics, with an index of the query sets in a folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instrerank.collections import MissingPolicy, instructed_topics
from instrerank.collections.loaded import is_name
from instrerank.errors import InputError
from instrerank.files import parse_json, read_lines, whole_file
from instrerank.jobs.outputs import staged
from instrerank.jobs.settings import settings_of
from instrerank.perturbations import Perturbation, QuerySet, query_set, resolve_all, write_query_set
from instrerank.perturbations.llm import LanguageModel, LanguageModelOptions
from instrerank.perturbations.querysets import FORMATS, check_formats, check_source, check_topics, source_name
from instrerank.perturbations.seeds import seeds_of
from instrerank.trec.problems import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PerturbSettings:
    """Settings of `perturb`.

    Attributes:
        topics: as `instrerank.load_topics` takes them.
        perturbations: names, with options if needed ("typo-mixed:edits=2"), families, "all" (those that need nothing
            but topics), or `Perturbation` objects.
        seeds: random seeds, with one query set each; a perturbation without randomness has one query set, under the
            first seed.
        instructions: instructions by qid; None: each topic's own instruction.
        missing: "error"; or "skip" to keep topics that have no instruction in `instructions` without one.
        limit: perturb only the first `limit` topics; None: all.
        source: name of the topics in the names of query sets; None: taken from `topics`.
        language_model: what perturbations by a language model ask; its answers are recorded in the folder `output`.
        output: folder to write query sets to; None: write nothing.
        format: "tsv", "jsonl" (which records the edits), or both, "tsv,jsonl".
        overwrite: replace existing query sets made with other settings or inputs.
    """

    topics: Any
    perturbations: str | Perturbation | Sequence[str | Perturbation]
    seeds: int | str | Sequence[int] = (1,)
    instructions: Any = None
    missing: MissingPolicy = "error"
    limit: int | None = None
    source: str | None = None
    language_model: LanguageModelOptions = field(default_factory=LanguageModelOptions)
    output: str | Path | None = None
    format: str | Sequence[str] = FORMATS
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check that the settings are valid.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        seeds_of(self.seeds)
        check_formats(self.formats)
        check_source(self.source)

    @property
    def formats(self) -> Sequence[str]:
        """The formats by themselves: "tsv,jsonl" are two."""
        return self.format.split(",") if isinstance(self.format, str) else self.format


def perturb(topics: Any, perturbations: Any, **settings: Any) -> list[QuerySet]:
    """Make one query set per perturbation and seed, with the same qids in the same order, so that qrels still apply.

    A query set can be searched and reranked like topics; a query that a perturbation cannot change is kept as it is.

    Args:
        topics: as `instrerank.load_topics` takes them.
        perturbations: names, families, "all", or `Perturbation` objects.
        **settings: other fields of `PerturbSettings`; those of `LanguageModelOptions` can be given by themselves.

    Raises:
        InputError: bad topics, an unknown perturbation, topics without instruction, or an existing query set that must
            not be replaced.
        MissingPrerequisiteError: a perturbation needs a package, a model or an endpoint that is not available here.
    """
    return list(run_perturb(settings_of(PerturbSettings, topics=topics, perturbations=perturbations, **settings)))


def run_perturb(settings: PerturbSettings) -> Iterator[QuerySet]:
    """Yield the query sets of `perturb`, one in memory at a time.

    The files appear once the last query set has been yielded, all of them or none.
    """
    perturbations = _resolved(settings)
    topics = instructed_topics(settings.topics, settings.instructions, missing=settings.missing, limit=settings.limit)
    check_topics(topics)
    source = settings.source or source_of(settings.topics)
    index = f"querysets.{source}.jsonl"
    inputs = {"topics": settings.topics, "instructions": settings.instructions}
    folder = settings.output
    written: list[dict[str, Any]] = []
    files = (
        nullcontext() if folder is None else staged(folder, inputs, overwrite=settings.overwrite, replaces=(index,))
    )
    with files as staging:
        for queries in _query_sets(topics, perturbations, seeds_of(settings.seeds), source):
            names = [path.name for path in write_query_set(staging, queries, settings.formats)] if staging else []
            written.append({"name": queries.name, "files": names} | queries.provenance)
            yield queries
        if not written:
            raise InputError("no query set to write: give `instructions`, or topics with instructions")
        if staging is not None and folder is not None:
            _write_index(staging / index, _kept(Path(folder, index), written))
    without = sum(not topic.instruction for topic in topics)
    note = f", {without} of them without an instruction" if without < len(topics) else ""
    what = f"{counted(len(written), 'query set')} of {counted(len(topics), 'topic')}{note}"
    log.info(what if folder is None else f"{folder}: {what}")


def source_of(topics: Any) -> str:
    """Return the name of topics in the names of query sets: that of their file or dataset, or `topics`."""
    return source_name(topics) if is_name(topics) else "topics"


def _resolved(settings: PerturbSettings) -> list[Perturbation]:
    given = settings.perturbations
    given = [given] if isinstance(given, str | Perturbation) else list(given)
    if not given:
        raise InputError("`perturbations` is empty: give at least one")
    resources = {}
    if settings.language_model.model is not None:
        resources["language_model"] = LanguageModel(settings.language_model, settings.output)
    resolved = [
        found for each in given for found in (resolve_all([each], **resources) if isinstance(each, str) else [each])
    ]
    if resources and all(perturbation.details is None for perturbation in resolved):
        raise InputError("`model` applies to perturbations by a language model (llm-…): name one, or leave it out")
    return list({perturbation.name: perturbation for perturbation in resolved}.values())


def _query_sets(
    topics: Any, perturbations: list[Perturbation], seeds: Sequence[int], source: str
) -> Iterator[QuerySet]:
    """Yield the query sets; perturbations of instructions are left out if no topic has an instruction."""
    bare = not any(topic.instruction for topic in topics)
    left_out = []
    for perturbation in perturbations:
        # one draw is enough where every seed gives the same text
        for seed in seeds if perturbation.seeded else seeds[:1]:
            queries = query_set(topics, perturbation, seed, source)
            if rejected := queries.provenance.get("rejected"):
                reasons = ", ".join(f"{reason} {count}" for reason, count in rejected.items())
                total = f"{sum(rejected.values())} of {counted(len(topics), 'variant')}"
                log.warning(f"{queries.name}: {total} rejected ({reasons}); their queries stay as they are")
            if bare and perturbation.changes == "instruction" and not queries.provenance["changed"]:
                left_out.append(perturbation.name)
                break
            yield queries
    if left_out:
        log.warning(f"perturbations left out because no topic has an instruction: {', '.join(left_out)}")


def _kept(index: Path, written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of an index: those of earlier query sets are kept, unless they have the same name."""
    records: dict[str, dict[str, Any]] = {}
    for number, line in read_lines(index) if index.exists() else ():
        try:
            record = parse_json(line, f"{index}:{number}")
            records[record["name"]] = record
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{index}:{number}: not a valid line of an index of query sets: fix or remove it, or choose another "
                f"`output`"
            ) from error
    return list((records | {record["name"]: record for record in written}).values())


def _write_index(path: Path, records: list[dict[str, Any]]) -> None:
    with whole_file(path) as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
