"""The job `rerank`: rerank a first-stage run and write the result with its sidecar."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, get_args

from instrerank.collections import MissingPolicy
from instrerank.collections.loaded import is_name
from instrerank.encoders.options import LoadOptions
from instrerank.errors import InputError
from instrerank.jobs.described import command, name_of
from instrerank.jobs.outputs import check_output
from instrerank.jobs.provenance import reranking_counts, reranking_stage
from instrerank.jobs.reranking_inputs import Inputs, read_inputs
from instrerank.jobs.results import RunResult
from instrerank.jobs.settings import settings_of
from instrerank.jobs.sidecar import configuration, read_sidecar, settle_run, write_run_with_sidecar
from instrerank.reranking import Fusion, Windows, select_candidates
from instrerank.reranking import rerank as rerank_candidates
from instrerank.reranking.candidates import CandidateCounts, CandidateList, EmptyPolicy
from instrerank.reranking.fusion import FusionMethod
from instrerank.reranking.scorer import Scorer
from instrerank.reranking.scoring import Aggregation, PreparedTexts, check_scoring
from instrerank.trec import read_run
from instrerank.trec.problems import counted
from instrerank.trec.runs import RunFormat, check_tag

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RerankSettings:
    """Settings of `rerank`.

    Attributes:
        run: the first stage: a run as `instrerank.load_run` takes it, or a file of rank_llm requests (`.jsonl`,
            `.json`), which include topics and passages.
        encoder: name, Hugging Face id or folder of a model, or a loaded model.
        topics: as `instrerank.load_topics` takes them.
        corpus: passages, as `instrerank.open_passages` takes them.
        index: Lucene index that stores its passages, as an alternative to `corpus`.
        instruction: one instruction for all topics.
        instructions: instructions by qid; None, and no `instruction`: each topic's own instruction.
        load: how to load the encoder.
        hits: number of candidates per topic to rerank; lower ranks keep first-stage order.
        fusion: "none"; "interpolate", alpha · first-stage score + (1 − alpha) · reranker score; or "rrf", reciprocal
            rank fusion.
        alpha: weight of the first-stage score in "interpolate".
        rrf_k: constant k of "rrf".
        max_passage: split long passages into windows that fit the encoder, and use their "max", "first" or "mean"
            score; None: truncate long passages.
        max_passage_stride: tokens between the starts of windows; None: half a window.
        exclude: documents that may not be retrieved, by qid, as `instrerank.collections.load_excluded` takes them;
            they are dropped from the run before the first `hits` are taken.
        missing: "error"; or "skip" to rank candidates without text last, leave out topics without candidates, and
            rerank topics without an instruction by the query alone, counting each.
        empty: "error"; or "score-last" to rank candidates that the collection has with an empty text last, counting
            them.
        limit: rerank only the first `limit` topics; None: all.
        runtag: tag of the run; None: the encoder's name.
        output: run file to write, with its sidecar; None: write nothing.
        output_format: "trec" or "msmarco".
        resume: do nothing if `output` is complete and was made with the same configuration.
        overwrite: replace an existing `output` made with another configuration.
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
    exclude: Any = None
    missing: MissingPolicy = "error"
    empty: EmptyPolicy = "error"
    limit: int | None = None
    runtag: str | None = None
    output: str | Path | None = None
    output_format: RunFormat = "trec"
    resume: bool = False
    overwrite: bool = False
    progress: bool = False

    def __post_init__(self) -> None:
        """Check that the settings are valid and compatible.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        check_tag(self.tag)
        if self.empty not in get_args(EmptyPolicy):
            raise InputError(f"unknown `empty` {self.empty!r}. Available: {', '.join(get_args(EmptyPolicy))}")
        if self.hits < 1:
            raise InputError(f"`hits` must be at least 1, got {self.hits}")
        if self.corpus is not None and self.index is not None:
            raise InputError("give the passages by either `corpus` or `index`, not both")
        check_scoring(self.fusion, self.alpha, self.rrf_k, self.max_passage, self.max_passage_stride, self.load)

    @property
    def tag(self) -> str:
        """The tag of the reranked run."""
        return self.runtag or Path(name_of(self.encoder)).name


class Reranked(RunResult):
    """What `rerank` returns: the run, with the counts of candidates, of missing and truncated texts, ties, …."""

    __slots__ = ()

    @property
    def summary(self) -> str:
        """The counts in one line: topics and passages, then anything missing, truncated or left out."""
        counts = self.counts
        notes = [counted(counts["queries"], "topic"), counted(counts["distinct passages"], "distinct passage")]
        for number, what, happened in (
            (counts["passages truncated"], "passage", "truncated"),
            (len(counts["queries truncated"]), "query", "truncated"),
            (counts["pairs truncated"], "pair", "truncated"),
            (counts["candidates without text"], "candidate", "without text ranked last"),
            (counts.get("candidates with empty text", 0), "candidate", "with empty text ranked last"),
            (len(counts["topics without candidates"]), "topic", "without candidates left out"),
            (counts.get("qids of the run without topic", 0), "qid", "of the run without topic left out"),
        ):
            notes += [f"{counted(number, what)} {happened}"] if number else []
        return ", ".join(notes)


def rerank(run: Any, topics: Any = None, **settings: Any) -> Reranked:
    """Rerank a run with an instruction-following bi-encoder.

    Passage vectors are kept and reused: a second call over the same passages encodes none.

    Args:
        run: the first stage, as `instrerank.load_run` takes it.
        topics: as `instrerank.load_topics` takes them.
        **settings: `encoder`, `corpus` or `index`, and other fields of `RerankSettings` and `LoadOptions`.

    Raises:
        InputError: bad input, incompatible settings, or an existing `output` that must not be replaced.
        MissingPrerequisiteError: a model, a package or Java is not available here.
    """
    return run_rerank(settings_of(RerankSettings, run=run, topics=topics, **settings))


class Plan(NamedTuple):
    """A reranking with all inputs read and the encoder loaded, before anything is encoded.

    Attributes:
        settings: the settings.
        inputs: the inputs.
        candidates: candidates of each topic.
        counts: counts of candidates.
        scorer: the loaded model.
        windows: how to split long passages; None: truncate them.
        retrieval: records of the stages for the sidecar.
        complete: whether `output` is already complete.
        seconds: wall-clock time of each step so far; None: record no times, so that the sidecar is reproducible.
    """

    settings: RerankSettings
    inputs: Inputs
    candidates: CandidateList
    counts: CandidateCounts
    scorer: Scorer
    windows: Windows | None
    retrieval: list[dict[str, Any]]
    complete: bool
    seconds: dict[str, float] | None


def run_rerank(settings: RerankSettings) -> Reranked:
    """Run `rerank` with the given settings."""
    return execute(prepare(settings))


def prepare(settings: RerankSettings, *, dry_run: bool = False) -> Plan:
    """Read and check all inputs and load the encoder, without encoding anything.

    Args:
        settings: the settings.
        dry_run: do not create the output folder.

    Raises:
        InputError: as `rerank`.
        MissingPrerequisiteError: as `rerank`.
    """
    from instrerank.jobs.models import load_scorer

    started = time.perf_counter()
    if settings.output is not None:
        names = ("run", "topics", "corpus", "index", "instructions", "exclude")
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
    """Return the plan for given inputs and a loaded model.

    Raises:
        InputError: candidates without text or topics without candidates, unless `missing` is "skip".
    """
    candidates, counts = select_candidates(
        inputs.first_stage,
        inputs.topics,
        inputs.texts,
        hits=settings.hits,
        missing=settings.missing,
        empty=settings.empty,
    )
    windows = windows_of(settings, scorer)
    stage = reranking_stage(
        scorer,
        hits=settings.hits,
        fusion=Fusion(settings.fusion, settings.alpha, settings.rrf_k),
        windows=windows,
        missing=settings.missing,
        empty=settings.empty,
        output_format=settings.output_format,
    )
    return Plan(settings, inputs, candidates, counts, scorer, windows, [inputs.stage, stage], False, None)


def execute(plan: Plan, *, prepared: PreparedTexts | None = None, folder: str | Path = "") -> Reranked:
    """Rerank, and write the run and its sidecar if there is an `output`.

    Args:
        plan: plan from `prepare` or `plan_of`.
        prepared: result of `prepare_texts` for its topics and texts, if many query sets share it.
        folder: folder that the plan's `output` is relative to.
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
    counts = reranking_counts(plan.counts, scores, reranked)
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
        command=rerank_command(settings, plan.scorer.kind),
        seconds=seconds,
    )
    return Reranked(reranked, counts, output)


def windows_of(settings: RerankSettings, scorer: Scorer) -> Windows | None:
    """Return how to split long passages for this scorer; None: truncate them."""
    if settings.max_passage is None:
        return None
    length = scorer.window_length
    return Windows(length, settings.max_passage_stride or max(1, length // 2), settings.max_passage)


def rerank_command(settings: RerankSettings, kind: str) -> list[str]:
    """Return the command that reproduces the run, as far as its inputs are not objects in memory."""
    load = settings.load
    flags = {
        "--run": name_of(settings.run),
        "--topics": None if settings.topics is None else name_of(settings.topics),
        "--corpus": None if settings.corpus is None else name_of(settings.corpus),
        "--index": settings.index,
        "--encoder": name_of(settings.encoder),
        "--encoder-kind": kind,
        "--instruction": settings.instruction,
        "--instructions": None if settings.instructions is None else name_of(settings.instructions),
        "--hits": settings.hits,
        "--fusion": settings.fusion,
        "--alpha": settings.alpha,
        "--rrf.k": settings.rrf_k,
        "--max-passage": settings.max_passage,
        "--max-passage-stride": settings.max_passage_stride,
        **load_flags(load),
        "--exclude": None if settings.exclude is None else name_of(settings.exclude),
        "--missing": settings.missing,
        "--empty": None if settings.empty == "error" else settings.empty,
        "--limit": settings.limit,
        "--runtag": settings.tag,
        "--output-format": None if settings.output_format == "trec" else settings.output_format,
        "--output": settings.output,
    }
    return command("rerank", flags)


def load_flags(load: LoadOptions) -> dict[str, object]:
    """Return the flags of options that differ from the defaults of `LoadOptions`, except `kind` and `store`."""
    return {
        f"--{name.replace('_', '-')}": value for name, value in load.changed().items() if name not in ("kind", "store")
    }
