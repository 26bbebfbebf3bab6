"""The job `attack`: find, for each topic, the query within an edit budget that hurts the ranking most."""

from __future__ import annotations

import logging
import re
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.errors import InputError
from instrerank.evaluation.measures import evaluate
from instrerank.jobs.described import command, name_of
from instrerank.jobs.settings import settings_of
from instrerank.jobs.victims import AttackFiles, Victim, VictimSettings, read_victim
from instrerank.perturbations import Perturbation, QuerySet, resolve, write_query_set
from instrerank.perturbations.attack import Attack, Objective, Target, least_overlap, rankings
from instrerank.perturbations.searching import Attacked, Budget, Strategy
from instrerank.trec import Qrels, Run, ScoredDoc, Topic
from instrerank.trec.problems import counted, listed
from instrerank.version import __version__

log = logging.getLogger(__name__)

OVERLAP = "overlap"


@dataclass(frozen=True, kw_only=True)
class AttackSettings(VictimSettings):
    """Settings of `attack`, in addition to `VictimSettings`.

    Attributes:
        perturbation: perturbation that generates candidate queries, one topic at a time;
            "typo-mixed:on=instruction" attacks the instruction.
        strategy: "greedy", "beam" or "worst" (see `instrerank.perturbations.searching.Search`).
        budget: edits, candidates and beam per topic; `attack` also takes these three by name.
        objective: what the attack minimises: "overlap", the average overlap with the top 10 of the clean ranking; or
            a measure such as "ndcg_cut.10", an oracle that needs `qrels`.
    """

    perturbation: str | Perturbation = "typo-mixed"
    strategy: Strategy = "greedy"
    budget: Budget = field(default_factory=Budget)
    objective: str = OVERLAP

    def __post_init__(self) -> None:
        """Check that the settings are valid and compatible.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        super().__post_init__()
        if self.objective == OVERLAP:
            return
        if self.qrels is None:
            raise InputError(f"`objective` {self.objective} needs `qrels`; `objective` {OVERLAP} does not")
        evaluate(Run("check", {"1": [ScoredDoc("1", 1.0)]}), {"1": {"1": 1}}, [self.objective])

    @property
    def objective_name(self) -> str:
        """The objective as messages and records name it."""
        return "average overlap@10" if self.objective == OVERLAP else f"oracle: {self.objective}"


class AttackedQuery(NamedTuple):
    """The worst query found for a topic.

    Attributes:
        qid: qid of the topic.
        clean: its query, or its instruction if that is attacked.
        attacked: the text found; equal to `clean` if no candidate lowered the objective.
        before: objective of the clean text.
        after: objective of the attacked text.
    """

    qid: str
    clean: str
    attacked: str
    before: float
    after: float


class AttackedQueries(NamedTuple):
    """What `attack` returns; it can be used wherever topics are expected.

    Attributes:
        queries: the worst query of each topic.
        query_set: the same queries as a query set, with their edits.
        objective: name of the objective.
        candidates: number of candidate queries encoded.
        output: folder of the files; None if nothing was written.
    """

    queries: list[AttackedQuery]
    query_set: QuerySet
    objective: str
    candidates: int
    output: Path | None

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The attacked topics."""
        return self.query_set.topics

    def __repr__(self) -> str:
        if len(self.queries) == 1:
            return f"AttackedQueries({self.queries[0]}, objective={self.objective!r})"
        return f"AttackedQueries({self.query_set!r}, objective={self.objective!r}, output={self.output!r})"


def attack(topics: Any, **settings: Any) -> AttackedQueries:
    """Find, for each topic, the query within an edit budget that hurts an encoder's ranking most.

    Args:
        topics: one `Topic`, or topics as `instrerank.load_topics` takes them.
        **settings: `run`, `encoder`, `corpus` or `index`, and other fields of `AttackSettings`, `VictimSettings`,
            `Budget` and `LoadOptions`.

    Raises:
        InputError: bad input, incompatible settings, or existing files that must not be replaced.
        MissingPrerequisiteError: a model, a package or Java is not available here.
    """
    return run_attack(settings_of(AttackSettings, topics=topics, **settings))


class Plan(NamedTuple):
    """An attack with all inputs read and the encoder loaded, before anything is encoded.

    Attributes:
        settings: the settings.
        victim: the encoder with its topics, candidates and passages.
        perturbation: generates the candidate queries.
        name: name of the query set.
        files: files to write.
    """

    settings: AttackSettings
    victim: Victim
    perturbation: Perturbation
    name: str
    files: AttackFiles


def prepare(settings: AttackSettings, *, dry_run: bool = False) -> Plan:
    """Read and check all inputs and load the encoder, without encoding anything.

    Args:
        settings: the settings.
        dry_run: do not create the output folder.

    Raises:
        InputError: as `attack`.
        MissingPrerequisiteError: as `attack`.
    """
    given = settings.perturbation
    perturbation = resolve(given) if isinstance(given, str) else given
    label = re.sub(r"[\W_]+", "-", settings.objective).strip("-")
    name = f"{settings.source_name}.attack-{settings.strategy}-{label}-{perturbation.name}.s{settings.seed}"
    record = f"querysets.{name}.jsonl"
    files = AttackFiles(settings, [f"topics.{name}.tsv", f"topics.{name}.jsonl", record], record)
    files.check(create=not dry_run)
    victim = read_victim(settings)
    if perturbation.changes == "instruction" and not any(topic.instruction for topic in victim.topics):
        raise InputError("the attack needs instructions, but no topic has one: give `instructions`")
    return Plan(settings, victim, perturbation, name, files)


def run_attack(settings: AttackSettings) -> AttackedQueries:
    """Run `attack` with the given settings."""
    from tqdm import tqdm

    plan = prepare(settings)
    victim, perturbation = plan.victim, plan.perturbation
    made_by = {
        "encoder": name_of(settings.encoder),
        "strategy": settings.strategy,
        "budget": asdict(settings.budget),
        "objective": settings.objective_name,
    }
    decides = made_by | {"level": settings.relevance_level, "version": __version__, "data": victim.data}
    configured = plan.files.settle(decides)
    targets = victim.targets(progress=settings.progress)
    search = Attack(
        victim.encoder,
        perturbation,
        _objective(settings, victim, targets),
        strategy=settings.strategy,
        budget=settings.budget,
        seed=settings.seed,
    )
    started = time.perf_counter()
    found = [search(target) for target in tqdm(targets, "attack", unit="topic", disable=not settings.progress)]
    seconds = time.perf_counter() - started
    clean, worst = (sum(getattr(one, value) for one in found) / len(found) for value in ("clean", "worst"))
    provenance = {
        "source": settings.source_name,
        "perturbation": f"attack by {perturbation.name}",
        "family": "attack",
        "expects": perturbation.expects,
        "changes": perturbation.changes,
        "needs_review": perturbation.needs_review,
        "seed": settings.seed,
        "instrerank": __version__,
        **made_by,
        "topics": len(found),
        "changed": sum(one.perturbed.changed for one in found),
        "candidates": sum(one.candidates for one in found),
        "mean of the objective, clean": round(clean, 4),
        "mean of the objective, attacked": round(worst, 4),
    }
    queries = QuerySet(plan.name, tuple(one.perturbed for one in found), provenance)
    record = {"configuration": configured, "command": shlex.join(attack_command(settings)), "data": victim.data}
    with plan.files.written({"name": plan.name} | provenance | record) as folder:
        if folder is not None:
            write_query_set(folder, queries)
    log.info(
        f"{'' if settings.output is None else f'{settings.output}/topics.{plan.name}.tsv: '}"
        f"{provenance['changed']} of {counted(len(found), 'topic')} changed; mean {settings.objective_name} "
        f"{clean:.4f} -> {worst:.4f}; {counted(provenance['candidates'], 'candidate')} in {seconds:.1f} s, "
        f"{provenance['candidates'] / seconds:.0f} a second"
    )
    rows = [_row(one, perturbation) for one in found]
    output = None if settings.output is None else Path(settings.output)
    return AttackedQueries(rows, queries, settings.objective_name, provenance["candidates"], output)


def attack_command(settings: AttackSettings) -> list[str]:
    """Return the command that reproduces the query set."""
    given = settings.perturbation
    flags = {
        "--perturbation": given if isinstance(given, str) else given.name,
        "--strategy": settings.strategy,
        "--budget": str(settings.budget),
        "--objective": settings.objective,
    }
    return command("attack", settings.flags() | flags)


def _row(one: Attacked, perturbation: Perturbation) -> AttackedQuery:
    before, after = (getattr(topic, perturbation.changes) for topic in (one.perturbed.original, one.perturbed.topic))
    return AttackedQuery(one.perturbed.topic.qid, before, after, one.clean, one.worst)


def _objective(settings: AttackSettings, victim: Victim, targets: Sequence[Target]) -> Objective:
    topics = victim.topics
    if settings.objective != OVERLAP:
        unjudged = [topic.qid for topic in topics if topic.qid not in victim.qrels]
        if unjudged:
            log.warning(
                f"{counted(len(unjudged), 'topic')} not in the qrels, with an objective of 0: {listed(unjudged)}"
            )
        return _measured(victim.qrels, settings.objective, settings.relevance_level)
    clean = victim.encoder.encode_queries([topic.text for topic in topics], [topic.instruction for topic in topics])
    ranked = [rankings(target, vector[None])[0] for target, vector in zip(targets, clean.vectors, strict=True)]
    return least_overlap({topic.qid: ranking for topic, ranking in zip(topics, ranked, strict=True)})


def _measured(qrels: Qrels, measure: str, relevance_level: int) -> Objective:
    """Return the oracle objective: a measure of each ranking, 0 for a topic without judgements."""

    def value(qid: str, found: Sequence[Sequence[str]]) -> list[float]:
        if qid not in qrels:
            return [0.0] * len(found)
        # the rankings become topics of one run, so that trec_eval is called once
        run = Run(
            "attack",
            {str(n): [ScoredDoc(docid, -rank) for rank, docid in enumerate(one)] for n, one in enumerate(found)},
        )
        judged = {str(n): qrels[qid] for n in range(len(found))}
        per_query = evaluate(run, judged, [measure], relevance_level=relevance_level).per_query
        return [next(iter(per_query[str(n)].values())) for n in range(len(found))]

    return value
