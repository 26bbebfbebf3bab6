"""The job `promote`: change passages that are not relevant, within a budget, until they enter the top k."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from instrerank.jobs.attack_passages import with_changed, write_changed
from instrerank.jobs.described import command, name_of
from instrerank.jobs.promotion_plan import Plan, PromotionSettings, choose, prepare, search_of
from instrerank.jobs.settings import settings_of
from instrerank.perturbations.attack import Target
from instrerank.perturbations.passages import AttackSuccess, ChangedRankings, attack_success, rank_changed
from instrerank.perturbations.promotion import Aim, Outsider, Promotion, triggered
from instrerank.perturbations.searching import Attacked, Search
from instrerank.trec import Passage, Run
from instrerank.trec.problems import counted
from instrerank.version import __version__

log = logging.getLogger(__name__)

_NAMED_OTHERWISE = ("qid", "docid", "promoted_docid", "promoted")
"""Fields of a passage that a record has under the names of a corpus."""


class PromotedPassage(NamedTuple):
    """A passage that an attack changed.

    Attributes:
        qid: qid of the topic.
        docid: docid of the passage.
        promoted_docid: docid of the changed passage, different for each topic.
        original: clean text.
        promoted: changed text; equal to `original` if no change brought the passage closer.
        rank: rank of the clean passage among the topic's candidates, from 1.
        rank_promoted: rank of the changed passage.
        edits: number of edits in the changed text.
        encoded: number of changed texts that the search encoded for this topic.
        similarity: cosine of the changed with the clean passage; None if nothing measures it.
        held_out: whether the trigger was found without this topic.
    """

    qid: str
    docid: str
    promoted_docid: str
    original: str
    promoted: str
    rank: int
    rank_promoted: int
    edits: int
    encoded: int
    similarity: float | None
    held_out: bool


class Promoted(NamedTuple):
    """What `promote` returns; it can be used wherever a run is expected.

    Attributes:
        passages: one changed passage for each topic that has one to promote.
        success: how many of them were promoted.
        held_out: the same for the topics that the trigger was found without; None without a trigger.
        trigger: the trigger.
        encoded: number of changed passages that were encoded.
        rejected: number of candidates below the floor.
        run: the first stage with changed passages in place of the originals.
        texts: text of every candidate in that run by docid, for reranking it.
        output: folder of the files; None if nothing was written.
    """

    passages: list[PromotedPassage]
    success: AttackSuccess
    held_out: AttackSuccess | None
    trigger: str | None
    encoded: int
    rejected: int
    run: Run
    texts: dict[str, str]
    output: Path | None

    def __repr__(self) -> str:
        trigger = "" if self.trigger is None else f", trigger={self.trigger!r}"
        return f"Promoted({self.success}{trigger}, encoded={self.encoded}, output={self.output!r})"


def promote(topics: Any, **settings: Any) -> Promoted:
    """Change one grade-0 candidate of each topic until it enters the top k, and rerank the candidates.

    Args:
        topics: as `instrerank.load_topics` takes them.
        **settings: `run`, `qrels`, `encoder`, `corpus` or `index`, and other fields of `PromotionSettings`,
            `VictimSettings`, `Budget` and `LoadOptions`.

    Raises:
        InputError: bad input, no passage to promote, or existing files that must not be replaced.
        MissingPrerequisiteError: a model, a package or Java is not available here.
    """
    return run_promotion(settings_of(PromotionSettings, topics=topics, **settings))


def run_promotion(settings: PromotionSettings) -> Promoted:
    """Run `promote` with the given settings."""
    plan = prepare(settings)
    victim, promotion = plan.victim, plan.promotion
    made_by = {
        "encoder": name_of(settings.encoder),
        "perturbation": plan.label,
        "strategy": settings.strategy,
        "budget": str(settings.budget),
        "universal": settings.universal,
        "top": settings.top,
        "floor": settings.floor,
        "judge": "encoder" if promotion.judge is None else promotion.judge.describe(),
        "seed": settings.seed,
        "relevance level": settings.relevance_level,
        "instrerank": __version__,
    }
    configured = plan.files.settle(made_by | {"data": victim.data})
    targets = victim.targets(progress=settings.progress)
    best, outsiders = choose(plan, targets)
    # a trigger is searched on every second topic, and tried on all
    aims = [Aim(outsiders[::2], universal=True)] if settings.universal else [Aim([each]) for each in outsiders]
    searches = [search_of(plan, aim, best) for aim in aims]
    started = time.perf_counter()
    found = _found(promotion, searches, aims, progress=settings.progress)
    seconds = time.perf_counter() - started
    passages, ranked = _ranked(plan, targets, outsiders, found)
    held_out = [each for each in passages if each.held_out]
    success = _success(plan, ranked, [each for each in passages if not each.held_out])
    run, texts = with_changed(
        victim, ((each.qid, each.docid, each.promoted_docid, each.promoted) for each in passages)
    )
    output = None if settings.output is None else Path(settings.output)
    result = Promoted(
        passages,
        success,
        _success(plan, ranked, held_out) if held_out else None,
        found[0].perturbed.topic.text if settings.universal else None,
        sum(each.encoded for each in passages),
        sum(one.rejected for one in found),
        run,
        texts,
        output,
    )
    record = {
        "name": plan.name,
        **made_by,
        "topics": len(targets),
        **success._asdict(),
        "held out": None if result.held_out is None else result.held_out._asdict(),
        "trigger": result.trigger,
        "mean ranks gained": round(fmean(each.rank - each.rank_promoted for each in passages), 4),
        "mean edits": round(fmean(each.edits for each in passages), 4),
        "encoded": result.encoded,
        "rejected": result.rejected,
        "truncated": ranked.truncated,
        "configuration": configured,
        "command": shlex.join(promotion_command(settings)),
        "data": victim.data,
    }
    with plan.files.written(record) as folder:
        if folder is not None:
            write_changed(folder, plan.name, map(_record, passages), run, texts)
    if ranked.truncated:
        log.warning(f"{counted(ranked.truncated, 'changed passage')} longer than {victim.encoder.name} reads")
    log.info(
        f"{'' if output is None else f'{output}/passages.{plan.name}.jsonl: '}"
        f"{success.into_top:.3f} of {counted(success.passages, 'grade-0 passage')} entered the top {settings.top}"
        + (f", {result.held_out.into_top:.3f} of {result.held_out.passages} held out" if result.held_out else "")
        + f"; on average {record['mean ranks gained']:.1f} ranks by {record['mean edits']:.1f} edits; "
        f"{counted(result.encoded, 'changed passage')} in {seconds:.1f} s, {result.encoded / seconds:.0f} a second, "
        f"{counted(result.rejected, 'candidate')} below the floor"
    )
    return result


def promotion_command(settings: PromotionSettings) -> list[str]:
    """Return the command that reproduces the files."""
    given = settings.perturbation
    flags = {
        "--target": "trigger" if settings.universal else "passages",
        "--perturbation": given if isinstance(given, str) else given.name,
        "--strategy": settings.strategy,
        "--budget": str(settings.budget),
        "--top": settings.top,
        "--floor": settings.floor,
        "--judge": None if settings.judge is None else name_of(settings.judge),
    }
    return command("attack", settings.flags() | flags)


def _found(promotion: Promotion, searches: Sequence[Search], aims: Sequence[Aim], *, progress: bool) -> list[Attacked]:
    from tqdm import tqdm

    found = dict(tqdm(promotion(searches, aims), "attack", len(aims), unit="search", disable=not progress))
    return [found[number] for number in range(len(aims))]


def _ranked(
    plan: Plan, targets: Sequence[Target], outsiders: Sequence[Outsider], found: Sequence[Attacked]
) -> tuple[list[PromotedPassage], ChangedRankings]:
    """Return the changed passages and the rankings with them, of a last encoding."""
    universal = plan.settings.universal
    by_outsider = [found[0] if universal else found[number] for number in range(len(outsiders))]
    changed = [
        triggered(one.perturbed.topic.text, each.text) if universal else one.perturbed.topic.text
        for each, one in zip(outsiders, by_outsider, strict=True)
    ]
    passages = {each.qid: Passage(each.docid, text) for each, text in zip(outsiders, changed, strict=True)}
    attacked = [target for target in targets if target.topic.qid in passages]
    ranked = rank_changed(attacked, passages, plan.victim.encoder)
    cosines = plan.promotion.similarity([each.text for each in outsiders], changed)
    rows = []
    for number, (each, one) in enumerate(zip(outsiders, by_outsider, strict=True)):
        held_out = universal and number % 2 == 1
        row = PromotedPassage(
            each.qid,
            each.docid,
            f"{each.docid}.promoted-{each.qid}",
            each.text,
            changed[number],
            ranked.clean[each.qid].index(each.docid) + 1,
            ranked.attacked[each.qid].index(each.docid) + 1,
            len(one.perturbed.edits),
            0 if held_out else one.candidates,
            None if cosines is None else round(float(cosines[number]), 4),
            held_out,
        )
        rows.append(row)
    return rows, ranked


def _success(plan: Plan, ranked: ChangedRankings, passages: Sequence[PromotedPassage]) -> AttackSuccess:
    settings, qrels = plan.settings, plan.victim.qrels
    return attack_success(
        ranked.clean,
        ranked.attacked,
        {each.qid: each.docid for each in passages},
        lambda qid, docid: qrels[qid].get(docid, 0) >= settings.relevance_level,
        settings.top,
    )


def _record(each: PromotedPassage) -> dict[str, Any]:
    own = {"id": each.promoted_docid, "contents": each.promoted, "qid": each.qid, "original_id": each.docid}
    return own | {name: value for name, value in each._asdict().items() if name not in _NAMED_OTHERWISE}
