"""The job `probe`: make pairs of passages that probe for shortcuts, and report how often an encoder falls for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import MissingPolicy, instructed_topics, load_qrels
from instrerank.encoders.options import LoadOptions
from instrerank.errors import InputError
from instrerank.evaluation.significance import corrected
from instrerank.evaluation.win_rates import win_rate
from instrerank.files import whole_file
from instrerank.jobs.described import described_source, described_texts, name_of
from instrerank.jobs.outputs import staged
from instrerank.jobs.perturb import source_of
from instrerank.jobs.probe_sets import ProbeSet, make_probes, summary, write_probes
from instrerank.jobs.rerank import rerank
from instrerank.jobs.settings import settings_of
from instrerank.perturbations.probes import PER_TOPIC, PROBES, Probe, ProbePair, resolve_probes
from instrerank.perturbations.querysets import check_source, check_topics
from instrerank.perturbations.seeds import seeds_of
from instrerank.trec import Run
from instrerank.trec.problems import counted
from instrerank.version import __version__

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """Settings of `probe`.

    Attributes:
        topics: as `instrerank.load_topics` takes them.
        qrels: as `instrerank.load_qrels` takes them.
        probes: names of probes, or "all".
        corpus: passages, as `instrerank.open_passages` takes them.
        index: Lucene index that stores its passages, as an alternative to `corpus`.
        seeds: random seeds, for the passages and for what is changed in them.
        per_topic: number of relevant passages to probe for each topic and seed.
        relevance_level: minimum grade that counts as relevant.
        encoder: a model to probe, as `rerank` takes it; None: make the pairs only.
        load: how to load it.
        instructions: instructions by qid; None: each topic's own instruction.
        missing: "error"; or "skip" to keep topics that have no instruction in `instructions` without one.
        limit: use only the first `limit` topics; None: all.
        source: name of the topics in file names; None: taken from `topics`.
        output: folder to write to; None: write nothing.
        overwrite: replace existing files made with other settings or inputs.
        progress: show progress bars.
    """

    topics: Any
    qrels: Any
    probes: str | Sequence[str] = "all"
    corpus: Any = None
    index: str | Path | None = None
    seeds: int | str | Sequence[int] = (1,)
    per_topic: int = PER_TOPIC
    relevance_level: int = 1
    encoder: Any = None
    load: LoadOptions = field(default_factory=LoadOptions)
    instructions: Any = None
    missing: MissingPolicy = "error"
    limit: int | None = None
    source: str | None = None
    output: str | Path | None = None
    overwrite: bool = False
    progress: bool = False

    def __post_init__(self) -> None:
        """Check that the settings are valid and compatible.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        seeds_of(self.seeds)
        check_source(self.source)
        self.resolved()
        if (self.corpus is None) == (self.index is None):
            raise InputError("give passages by either `corpus` or `index`, not both")
        for name in ("per_topic", "relevance_level"):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}` must be at least 1, got {getattr(self, name)}")

    def resolved(self) -> list[Probe]:
        """Return the probes."""
        return resolve_probes([self.probes] if isinstance(self.probes, str) else self.probes)


class ProbeResult(NamedTuple):
    """How often the passage with a shortcut wins; columns that equal those of `WinRate` mean the same.

    Attributes:
        probe: its name.
        expects: `invariance`: 0.5 is right; `directional`: 0 is right.
        skipped: passages that the probe could not be made from.
        corrected_p: p, corrected by Holm over the probes.
    """

    probe: str
    expects: str
    topics: int
    pairs: int
    skipped: int
    ties: int
    win_rate: float
    low: float | None
    high: float | None
    p: float | None
    corrected_p: float | None


class Probed(NamedTuple):
    """What `probe` returns.

    Attributes:
        results: the win rates by probe; empty without an encoder.
        probes: the pairs.
        output: folder of the files; None if nothing was written.
    """

    results: list[ProbeResult]
    probes: ProbeSet
    output: Path | None

    def __repr__(self) -> str:
        rates = {each.probe: round(each.win_rate, 4) for each in self.results}
        return f"Probed({rates}, {self.probes!r}, output={self.output!r})"


def probe(topics: Any, qrels: Any, **settings: Any) -> Probed:
    """Make pairs of passages with and without a shortcut from relevant passages, and score them with an encoder.

    Args:
        topics: as `instrerank.load_topics` takes them.
        qrels: as `instrerank.load_qrels` takes them.
        **settings: `corpus` or `index`, and other fields of `ProbeSettings` and `LoadOptions`.

    Raises:
        InputError: bad input, no relevant passage with a text, or existing files that must not be replaced.
        MissingPrerequisiteError: a model, a package or Java is not available here.
    """
    return run_probe(settings_of(ProbeSettings, topics=topics, qrels=qrels, **settings))


def run_probe(settings: ProbeSettings) -> Probed:
    """Run `probe` with the given settings."""
    source = settings.source or source_of(settings.topics)
    passages: Any = settings.corpus if settings.corpus is not None else settings.index
    inputs = {name: getattr(settings, name) for name in ("topics", "qrels", "corpus", "index", "instructions")}
    topics = instructed_topics(settings.topics, settings.instructions, missing=settings.missing, limit=settings.limit)
    check_topics(topics)
    made = make_probes(
        topics,
        load_qrels(settings.qrels),
        passages,
        settings.resolved(),
        seeds=seeds_of(settings.seeds),
        per_topic=settings.per_topic,
        level=settings.relevance_level,
    )
    results: list[ProbeResult] = []
    described: dict[str, Any] = {}
    if settings.encoder is not None:
        reranked = rerank(
            made.run,
            [topic for topic in made.topics if topic.qid in made.run.rankings],
            corpus=made.texts,
            encoder=settings.encoder,
            load=settings.load,
            hits=max(map(len, made.run.rankings.values())),
            progress=settings.progress,
        )
        results = probe_results(reranked.run, made.pairs, made.skipped)
        described = {"encoder": name_of(settings.encoder), "truncated": reranked.counts["passages truncated"]}
    output = None if settings.output is None else Path(settings.output)
    if output is not None:
        record = {
            "source": source,
            "seeds": seeds_of(settings.seeds),
            "per_topic": settings.per_topic,
            "relevance_level": settings.relevance_level,
            "instrerank": __version__,
            "pairs": len(made.pairs),
            "topics": len(topics),
            "topics_without": made.topics_without,
            "passages_without": made.passages_without,
            "skipped": [
                {"probe": name, "reason": reason, "passages": count}
                for (name, reason), count in sorted(made.skipped.items())
            ],
            **described,
            "results": [each._asdict() for each in results],
            "data": {
                "topics": described_source(settings.topics, topics),
                "qrels": described_source(settings.qrels),
                "passages": described_texts(passages, made.texts),
            },
        }
        name = "" if settings.encoder is None else f".{Path(name_of(settings.encoder)).name}"
        with staged(output, inputs, overwrite=settings.overwrite) as folder:
            write_probes(folder, source, made)
            with whole_file(folder / f"probes.{source}{name}.json") as file:
                file.write(json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    cut = described.get("truncated", 0)
    note = f"; {counted(cut, 'passage')} truncated" if cut else ""
    log.info(f"{'' if output is None else f'{output}: '}{summary(made)}{note}")
    return Probed(results, made, output)


def probe_results(run: Run, pairs: Iterable[ProbePair], skipped: Mapping[tuple[str, str], int]) -> list[ProbeResult]:
    """Return the win rate of each probe in a run that scored all passages of its pairs."""
    scores = {(qid, document.docid): document.score for qid, ranking in run.rankings.items() for document in ranking}
    differences: dict[str, dict[str, list[float]]] = {}
    for pair in pairs:
        plain, shortcut = (scores[pair.qid, docid] for docid in pair.docids)
        differences.setdefault(pair.probe, {}).setdefault(pair.qid, []).append(shortcut - plain)
    rates = {name: win_rate(differences[name]) for name in PROBES if name in differences}
    adjusted = corrected([rate.p for rate in rates.values()])
    return [
        ProbeResult(
            name,
            PROBES[name].expects,
            rate.topics,
            rate.pairs,
            sum(count for (probe, _), count in skipped.items() if probe == name),
            *rate[2:],
            corrected_p=p,
        )
        for (name, rate), p in zip(rates.items(), adjusted, strict=True)
    ]
