"""Reranking as a job: a first-stage run, topics and passages in, a reranked run and its sidecar out."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import instructed_topics, load_run, open_passages
from instrerank.collections.loaded import is_name
from instrerank.encoders.options import LoadOptions
from instrerank.errors import InputError
from instrerank.jobs.described import (
    command,
    described_instructions,
    described_source,
    described_texts,
    name_of,
)
from instrerank.jobs.outputs import check_output
from instrerank.jobs.provenance import reranking_counts, reranking_stage
from instrerank.jobs.settings import settings_of
from instrerank.jobs.sidecar import configuration, read_sidecar, settle_run, write_run_with_sidecar
from instrerank.reranking import Candidates, Fusion, Windows, candidate_docids, select_candidates
from instrerank.reranking import rerank as rerank_candidates
from instrerank.reranking.candidates import CandidateCounts, MissingPolicy
from instrerank.reranking.fusion import FusionMethod
from instrerank.reranking.scorer import Scorer
from instrerank.reranking.scoring import Aggregation, PreparedTexts, check_scoring
from instrerank.trec import Run, ScoredDoc, Topic, read_run
from instrerank.trec.runs import RunFormat, check_tag

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RerankSettings:
    """What `rerank` does.

    Attributes:
        run: the first stage: a run as `instrerank.load_run` takes it, or a file of rank_llm's requests (`.jsonl`),
            which hold their topics and passages.
        encoder: name, Hugging Face id or folder of a model, or a loaded one.
        topics: as `instrerank.load_topics` takes them.
        corpus: passages, as `instrerank.open_passages` takes them.
        index: Lucene index that stores its passages, instead of `corpus`.
        instruction: one instruction for every topic.
        instructions: instructions by qid; without either, each topic's own instruction is used.
        load: how the encoder is loaded.
        hits: how many candidates of each topic are reranked; the rest stays below, in first-stage order.
        fusion: "none"; "interpolate", alpha · first stage's score + (1 − alpha) · reranker's; "rrf", reciprocal rank
            fusion.
        alpha: of interpolate.
        rrf_k: k of rrf.
        max_passage: how the scores of a long passage's windows become one: "max", "first", "mean"; None: truncate.
        max_passage_stride: tokens between windows; None: half of what the encoder reads.
        missing: "error", or "skip": candidates without text are ranked last, topics without candidates are left out,
            topics without instruction go without one, and each is counted.
        limit: rerank the first topics only, so many of them.
        runtag: tag of the run; None: the encoder's name.
        output: run file to write, with its sidecar; None: nothing is written.
        output_format: "trec" or "msmarco".
        resume: do nothing if `output` is there, finished, with this configuration.
        overwrite: replace an `output` of another configuration.
        progress: show progress bars.
    """

    run: Any
    encoder: Any
    topics: Any = None
    corpus: Any = None
    index: str | Path | None = None
    instruction: str | None = None
    instructions: Any = None
    load: LoadOptions = field(default_factory=LoadOptions)
    hits: int = 100
    fusion: FusionMethod = "none"
    alpha: float = 0.5
    rrf_k: int = 60
    max_passage: Aggregation | None = None
    max_passage_stride: int | None = None
    missing: MissingPolicy = "error"
    limit: int | None = None
    runtag: str | None = None
    output: str | Path | None = None
    output_format: RunFormat = "trec"
    resume: bool = False
    overwrite: bool = False
    progress: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that do not go together.

        Raises:
            InputError: names the parameter, its value and what is allowed.
        """
        check_tag(self.tag)
        if self.hits < 1:
            raise InputError(f"`hits` must be at least 1, got {self.hits}")
        check_scoring(self.fusion, self.alpha, self.rrf_k, self.max_passage, self.max_passage_stride, self.load)

    @property
    def tag(self) -> str:
        """The tag of the reranked run."""
        return self.runtag or Path(name_of(self.encoder)).name


class Reranked(NamedTuple):
    """What `rerank` returns; it stands for its run wherever a run is wanted.

    Attributes:
        run: the rankings, in trec_eval's order.
        counts: candidates, texts missing and truncated, ties, … as the sidecar has them.
        output: where the run was written, None if nowhere.
    """

    run: Run
    counts: Mapping[str, Any]
    output: Path | None

    @property
    def tag(self) -> str:
        """The run's tag."""
        return self.run.tag

    @property
    def rankings(self) -> dict[str, list[ScoredDoc]]:
        """The run's rankings by qid."""
        return self.run.rankings

    @property
    def summary(self) -> str:
        """The counts in one line: topics and passages, then whatever is not as it should be."""
        counts = self.counts
        notes = [f"{counts['queries']} topics", f"{counts['distinct passages']} distinct passages"]
        for number, what in (
            (counts["passages truncated"], "passages truncated"),
            (len(counts["queries truncated"]), "queries truncated"),
            (counts["pairs truncated"], "pairs truncated"),
            (counts["candidates without text"], "candidates without text ranked last"),
            (len(counts["topics without candidates"]), "topics without candidates left out"),
            (counts.get("qids of the run without topic", 0), "qids of the run without topic left out"),
        ):
            notes += [f"{number} {what}"] if number else []
        return ", ".join(notes)


def rerank(run: Any, topics: Any = None, **settings: Any) -> Reranked:
    """Rerank a run with an instruction-following bi-encoder.

    Passage vectors are kept in the default store, so that a second call over the same passages encodes none.

    Args:
        run: the first stage, as `instrerank.load_run` takes it.
        topics: as `instrerank.load_topics` takes them.
        **settings: `encoder`, `corpus` or `index`, and the other fields of `RerankSettings`; the fields of
            `LoadOptions` say how the encoder is loaded.

    Raises:
        InputError: bad input, settings that do not go together, or an `output` that is not to be replaced.
        MissingPrerequisiteError: a model, package or Java that is not here.
    """
    return run_rerank(settings_of(RerankSettings, run=run, topics=topics, **settings))


class Inputs(NamedTuple):
    """What a reranking reads.

    Attributes:
        first_stage: the run.
        topics: with their instructions.
        texts: passage text by docid, of the candidates.
        stage: of the first stage, for the sidecar.
        data: topics, passages and instructions, for the sidecar.
    """

    first_stage: Run
    topics: list[Topic]
    texts: Mapping[str, str]
    stage: dict[str, Any]
    data: dict[str, Any]


class Plan(NamedTuple):
    """A reranking with everything read and loaded, and nothing encoded.

    Attributes:
        settings: what was asked for.
        inputs: what was read.
        candidates: of each topic.
        counts: what was left out.
        scorer: the loaded model.
        windows: how long passages are cut.
        retrieval: the stages, for the sidecar.
        complete: whether `output` is there already and to be left alone.
        seconds: wall-clock time of each step so far; None: the sidecar has no times, so as to come out the same again.
    """

    settings: RerankSettings
    inputs: Inputs
    candidates: list[Candidates]
    counts: CandidateCounts
    scorer: Scorer
    windows: Windows | None
    retrieval: list[dict[str, Any]]
    complete: bool
    seconds: dict[str, float] | None


def run_rerank(settings: RerankSettings) -> Reranked:
    """Do what `RerankSettings` say; see `rerank`."""
    return execute(prepare(settings))


def prepare(settings: RerankSettings, *, dry_run: bool = False) -> Plan:
    """Read and check everything, load the encoder, and encode nothing.

    Args:
        settings: what is asked for.
        dry_run: make no folder for the output either.

    Raises:
        InputError: as `rerank`.
        MissingPrerequisiteError: as `rerank`.
    """
    from instrerank.jobs.models import load_scorer

    started = time.perf_counter()
    if settings.output is not None:
        names = ("run", "topics", "corpus", "index", "instructions")
        inputs_given = {name: getattr(settings, name) for name in names}
        check_output(settings.output, inputs_given, create=not dry_run)
    inputs = read_inputs(settings)
    read = time.perf_counter()
    scorer = load_scorer(settings.encoder, settings.load) if is_name(settings.encoder) else settings.encoder
    log.debug(f"{scorer!r}: {scorer.describe()}")
    plan = plan_of(settings, inputs, scorer)
    wanted = configuration(settings.tag, plan.retrieval, inputs.data)
    complete = settings.output is not None and settle_run(
        settings.output, wanted, resume=settings.resume, overwrite=settings.overwrite
    )
    seconds = {"read": read - started, "load encoder": time.perf_counter() - read}
    return plan._replace(complete=complete, seconds=seconds)


def plan_of(settings: RerankSettings, inputs: Inputs, scorer: Scorer) -> Plan:
    """Bring inputs and a loaded model together.

    Raises:
        InputError: candidates without text or topics without candidates, unless `missing` says to go on.
    """
    candidates, counts = select_candidates(
        inputs.first_stage, inputs.topics, inputs.texts, hits=settings.hits, missing=settings.missing
    )
    windows = windows_of(settings, scorer)
    stage = reranking_stage(
        scorer,
        hits=settings.hits,
        fusion=Fusion(settings.fusion, settings.alpha, settings.rrf_k),
        windows=windows,
        missing=settings.missing,
        output_format=settings.output_format,
    )
    return Plan(settings, inputs, candidates, counts, scorer, windows, [inputs.stage, stage], False, None)


def execute(plan: Plan, *, prepared: PreparedTexts | None = None, folder: str | Path = "") -> Reranked:
    """Rerank, and write the run and its sidecar where an `output` was asked for.

    Args:
        plan: from `prepare` or `plan_of`.
        prepared: its topics and texts from `prepare_texts`, where many query sets share them.
        folder: that the plan's `output` is relative to.
    """
    settings, inputs = plan.settings, plan.inputs
    output = None if settings.output is None else Path(folder, settings.output)
    if plan.complete and output is not None:
        return Reranked(read_run(output), read_sidecar(output)["run"]["counts"], output)
    started = time.perf_counter()
    reranked, scores = rerank_candidates(
        plan.candidates,
        inputs.texts,
        plan.scorer,
        tag=settings.tag,
        fusion=Fusion(settings.fusion, settings.alpha, settings.rrf_k),
        windows=plan.windows,
        prepared=prepared,
        progress=settings.progress,
    )
    counts = reranking_counts(plan.candidates, plan.counts, scores, reranked)
    if output is None:
        return Reranked(reranked, counts, None)
    seconds = None if plan.seconds is None else plan.seconds | {"rerank": time.perf_counter() - started}
    write_run_with_sidecar(
        output,
        reranked,
        output_format=settings.output_format,
        retrieval=plan.retrieval,
        data=inputs.data,
        counts=counts,
        command=rerank_command(settings),
        seconds=seconds,
    )
    return Reranked(reranked, counts, output)


def read_inputs(settings: RerankSettings) -> Inputs:
    """Read the first stage, its topics and the texts of its candidates; rank_llm's requests are all three.

    Raises:
        InputError: an input that cannot be read, or is missing.
        MissingPrerequisiteError: as `rerank`.
    """
    topics: Any = settings.topics
    passages = settings.corpus if settings.corpus is not None else settings.index
    texts: Mapping[str, str] = {}
    if is_name(settings.run) and {".jsonl", ".json"} & set(Path(settings.run).suffixes):
        from instrerank.integrations.rank_llm import read_requests

        requested, first_stage, texts = read_requests(settings.run)
        topics = requested if topics is None else topics
    elif topics is None or passages is None:
        raise InputError(
            f"{name_of(settings.run)} is a run: give its `topics`, and its passages by `corpus` or `index`"
        )
    else:
        first_stage = load_run(settings.run, keep_first_duplicate=True)
    loaded = instructed_topics(
        topics,
        settings.instructions,
        instruction=settings.instruction,
        missing=settings.missing,
        limit=settings.limit,
    )
    if passages is not None:
        qids = {topic.qid for topic in loaded}
        wanted = Run(first_stage.tag, {q: ranking for q, ranking in first_stage.rankings.items() if q in qids})
        texts = open_passages(passages).lookup(candidate_docids(wanted, settings.hits))
    source = settings.run if settings.topics is None else settings.topics
    data = {
        "topics": described_source(source, loaded),
        "passages": described_texts(settings.run if passages is None else passages, texts),
        "instructions": described_instructions(settings.instructions, settings.instruction, loaded),
    }
    if settings.limit is not None:
        data["topics"]["limit"] = settings.limit
    stage = {"name": "first stage", "tag": first_stage.tag, **described_source(settings.run, first_stage)}
    return Inputs(first_stage, loaded, texts, stage, data)


def windows_of(settings: RerankSettings, scorer: Scorer) -> Windows | None:
    """Return how long passages are cut for this scorer; None: they are truncated."""
    if settings.max_passage is None:
        return None
    length = scorer.window_length
    return Windows(length, settings.max_passage_stride or max(1, length // 2), settings.max_passage)


def rerank_command(settings: RerankSettings) -> list[str]:
    """Return the command that makes the run again; what a script held in memory has no name to type."""
    load = settings.load
    flags = {
        "--run": name_of(settings.run),
        "--topics": None if settings.topics is None else name_of(settings.topics),
        "--corpus": None if settings.corpus is None else name_of(settings.corpus),
        "--index": settings.index,
        "--encoder": name_of(settings.encoder),
        "--encoder-kind": load.kind,
        "--instruction": settings.instruction,
        "--instructions": None if settings.instructions is None else name_of(settings.instructions),
        "--hits": settings.hits,
        "--fusion": settings.fusion,
        "--alpha": settings.alpha,
        "--rrf.k": settings.rrf_k,
        "--max-passage": settings.max_passage,
        "--max-passage-stride": settings.max_passage_stride,
        **load_flags(load),
        "--missing": settings.missing,
        "--limit": settings.limit,
        "--runtag": settings.tag,
        "--output-format": None if settings.output_format == "trec" else settings.output_format,
        "--output": settings.output,
    }
    return command("rerank", flags)


def load_flags(load: LoadOptions) -> dict[str, object]:
    """Return the flags of what differs from the defaults of `LoadOptions`; the kind and the store play no part."""
    return {
        f"--{name.replace('_', '-')}": value for name, value in load.changed().items() if name not in ("kind", "store")
    }
