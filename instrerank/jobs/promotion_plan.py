"""What `promote` sets out to do: its settings, its inputs, the passages it promotes and how it searches."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from instrerank.collections.loaded import is_name
from instrerank.errors import InputError
from instrerank.jobs.victims import AttackFiles, Victim, VictimSettings, read_victim
from instrerank.perturbations import Perturbation, names, resolve
from instrerank.perturbations.attack import Target, rankings
from instrerank.perturbations.base import generator
from instrerank.perturbations.promotion import Aim, Outsider, Promotion, bar_of
from instrerank.perturbations.searching import Budget, Search, Strategy
from instrerank.perturbations.word_edits import WORD_EDITS, distinct_words, word_edits
from instrerank.trec.problems import counted, listed

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PromotionSettings(VictimSettings):
    """Settings of `promote`, in addition to `VictimSettings`; `qrels` are required.

    Attributes:
        perturbation: generates changed passages: "word-insertion", "word-replacement" or "word-mixed", with words of
            the query and of the best passages; or any perturbation of queries, which then changes the passage.
        strategy: "greedy", "beam" or "worst" (see `instrerank.perturbations.searching.Search`).
        budget: edits, candidates and beam per passage; `promote` also takes these three by name.
        universal: search for one trigger before the passages of all topics, on every second topic; the others are
            held out.
        top: k, the rank to reach.
        floor: least cosine of a changed passage with the clean one; -1 allows every change.
        judge: encoder that measures the cosine; None: the encoder under attack.
    """

    perturbation: str | Perturbation = "word-mixed"
    strategy: Strategy = "greedy"
    budget: Budget = field(default_factory=Budget)
    universal: bool = False
    top: int = 10
    floor: float = 0.8
    judge: Any = None

    def __post_init__(self) -> None:
        """Check that the settings are valid and compatible.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        super().__post_init__()
        if self.qrels is None:
            raise InputError("promoting passages needs `qrels`: the passages to promote are judged grade 0")
        if not 1 <= self.top < self.hits:
            raise InputError(f"`top` must be at least 1 and less than `hits` ({self.hits}), got {self.top}")
        if not -1 <= self.floor < 1:
            raise InputError(f"`floor` must be a cosine of at least -1 and less than 1, got {self.floor:g}")

    def inputs(self) -> dict[str, Any]:
        """Return the inputs by parameter, for the checks of the output."""
        return super().inputs() | {"judge": self.judge}


class Plan(NamedTuple):
    """A promotion with all inputs read and the encoders loaded, before anything is encoded.

    Attributes:
        settings: the settings.
        victim: the encoder with its topics, candidates and passages.
        promotion: the attack on that encoder.
        perturbation: generates the candidates; None: edits of words, which depend on the topic.
        label: name of the perturbation.
        name: name in the file names.
        files: files to write.
    """

    settings: PromotionSettings
    victim: Victim
    promotion: Promotion
    perturbation: Perturbation | None
    label: str
    name: str
    files: AttackFiles


def prepare(settings: PromotionSettings, *, dry_run: bool = False) -> Plan:
    """Read and check all inputs and load the encoders, without encoding anything; see `jobs.attack.prepare`."""
    from instrerank.jobs import models

    perturbation = _perturbation(settings.perturbation)
    label = str(settings.perturbation) if perturbation is None else perturbation.name
    # checked before anything is read
    Search(perturbation or word_edits(label, []), settings.strategy)
    target = "trigger" if settings.universal else "passages"
    name = f"{settings.source_name}.attack-{settings.strategy}-{target}-{label}.s{settings.seed}"
    record = f"attack.{name}.jsonl"
    files = AttackFiles(
        settings, [f"passages.{name}.jsonl", f"corpus.{name}.jsonl", f"run.{name}.txt", record], record
    )
    files.check(create=not dry_run)
    victim = read_victim(settings)
    judge = models.load_encoder(settings.judge) if is_name(settings.judge) else settings.judge
    promotion = Promotion(victim.encoder, floor=settings.floor, judge=judge)
    return Plan(settings, victim, promotion, perturbation, label, name, files)


def _perturbation(given: str | Perturbation) -> Perturbation | None:
    """Return the perturbation; None if it edits words, which depend on the topic."""
    if isinstance(given, Perturbation):
        perturbation = given
    elif given in WORD_EDITS:
        return None
    elif given.startswith("injection-payload") and "side=" not in given:
        perturbation = resolve(f"{given}:side=passage")
    elif given.partition(":")[0] in names():
        perturbation = resolve(given)
    else:
        raise InputError(
            f"unknown `perturbation` {given!r}. Available: {', '.join(WORD_EDITS)}, and the perturbations of queries"
        )
    if perturbation.changes != "text":
        raise InputError(f"{perturbation.name} changes instructions, which passages do not have")
    return perturbation


def choose(plan: Plan, targets: Sequence[Target]) -> tuple[dict[str, list[str]], list[Outsider]]:
    """Return the top k of each topic by qid, and for each topic that has one a passage to promote."""
    settings, victim = plan.settings, plan.victim
    topics = [target.topic for target in targets]
    encoded = victim.encoder.encode_queries([t.text for t in topics], [t.instruction for t in topics])
    best, outsiders = {}, []
    for target, vector in zip(targets, encoded.vectors, strict=True):
        qid = target.topic.qid
        [ranking] = rankings(target, vector[None])
        best[qid] = ranking[: settings.top]
        grades = victim.qrels.get(qid, {})
        # a passage of fewer words than edits would be another passage, or more trigger than passage
        eligible = sorted(
            docid
            for docid in ranking[settings.top :]
            if grades.get(docid) == 0 and len(victim.texts[docid].split()) >= settings.budget.edits
        )
        if eligible:
            docid = generator(settings.seed, "promotion", qid).choice(eligible)
            bar = bar_of(target, vector[None], ranking, settings.top)
            outsiders.append(Outsider(qid, docid, victim.texts[docid], vector[None], bar))
    chosen = {each.qid for each in outsiders}
    without = [qid for qid in best if qid not in chosen]
    why = (
        f"a candidate judged grade 0, ranked below {settings.top}, of at least "
        f"{counted(settings.budget.edits, 'word')} (`budget`: edits)"
    )
    if not outsiders:
        raise InputError(f"no topic has a passage to promote: {why}")
    if without:
        log.warning(f"{counted(len(without), 'topic')} without a passage to promote ({why}): {listed(without)}")
    return best, outsiders


def search_of(plan: Plan, aim: Aim, best: Mapping[str, Sequence[str]]) -> Search:
    """Return the search for an aim; words to insert come from its queries and from the top k in `best`."""
    settings, victim = plan.settings, plan.victim
    perturbation = plan.perturbation
    if perturbation is None:
        qids = {each.qid for each in aim.outsiders}
        passages = distinct_words(victim.texts[docid] for qid in qids for docid in best[qid])
        query = distinct_words(topic.text for topic in victim.topics if topic.qid in qids)
        # the words of a query are few and strong, but those of all queries suit none
        perturbation = word_edits(plan.label, [passages] if aim.universal else [query, passages])
    return Search(perturbation, settings.strategy, settings.budget, settings.seed, goal=0)
