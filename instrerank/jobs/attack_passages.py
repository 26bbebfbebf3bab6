"""The job `attack_passages`: inject text into passages that are not relevant, to move them up the ranking."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.errors import InputError
from instrerank.files import whole_file
from instrerank.jobs.described import command, name_of
from instrerank.jobs.settings import settings_of
from instrerank.jobs.victims import AttackFiles, Victim, VictimSettings, read_victim
from instrerank.perturbations import passages as injecting
from instrerank.perturbations.passages import AttackSuccess, PassageInjection, PassagePlace, check_injection
from instrerank.trec import Run, write_run
from instrerank.trec.problems import counted
from instrerank.version import __version__

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PassageAttackSettings(VictimSettings):
    """Settings of `attack_passages`, in addition to `VictimSettings`; `qrels` are required.

    Attributes:
        what: text to inject: "query", "keywords" (three times), "task", "criterion" or "role".
        place: where to inject it: "start", "middle", "end" or "random".
    """

    what: PassageInjection = "query"
    place: PassagePlace = "start"

    def __post_init__(self) -> None:
        """Check that the settings are valid and compatible.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        super().__post_init__()
        check_injection(self.what, self.place)
        if self.qrels is None:
            raise InputError("attacking `passages` needs `qrels`: text is injected into candidates judged grade 0")


class InjectedPassage(NamedTuple):
    """A passage with injected text.

    Attributes:
        qid: qid of the topic.
        docid: docid of the passage.
        injected_docid: docid of the injected version, different for each topic, since topics may share a passage.
        original: text without the injection.
        injected: text with the injection.
        rank: rank of the passage in the clean ranking of the topic's candidates, from 1.
        rank_injected: its rank with the injected text.
    """

    qid: str
    docid: str
    injected_docid: str
    original: str
    injected: str
    rank: int
    rank_injected: int


class AttackedPassages(NamedTuple):
    """What `attack_passages` returns; it can be used wherever a run is expected.

    Attributes:
        passages: one injected passage for each topic that has a grade-0 candidate.
        success: attack success rates.
        run: the first stage with injected passages in place of the originals.
        texts: text of every candidate in that run by docid, for reranking it.
        output: folder of the files; None if nothing was written.
    """

    passages: list[InjectedPassage]
    success: AttackSuccess
    run: Run
    texts: dict[str, str]
    output: Path | None

    def __repr__(self) -> str:
        return f"AttackedPassages({self.success}, output={self.output!r})"


def attack_passages(topics: Any, **settings: Any) -> AttackedPassages:
    """Inject text into one grade-0 candidate of each topic, and rerank the candidates.

    Args:
        topics: as `instrerank.load_topics` takes them.
        **settings: `run`, `qrels`, `encoder`, `corpus` or `index`, and other fields of `PassageAttackSettings`,
            `VictimSettings` and `LoadOptions`.

    Raises:
        InputError: bad input, no candidate with grade 0, or existing files that must not be replaced.
        MissingPrerequisiteError: a model, a package or Java is not available here.
    """
    return run_attack_passages(settings_of(PassageAttackSettings, topics=topics, **settings))


class Plan(NamedTuple):
    """An attack with all inputs read and the encoder loaded, before anything is encoded.

    Attributes:
        settings: the settings.
        victim: the encoder with its topics, candidates and passages.
        name: name in the file names.
        files: files to write.
    """

    settings: PassageAttackSettings
    victim: Victim
    name: str
    files: AttackFiles


def prepare(settings: PassageAttackSettings, *, dry_run: bool = False) -> Plan:
    """Read and check all inputs and load the encoder, without encoding anything; see `jobs.attack.prepare`."""
    name = f"{settings.source_name}.injection-{settings.what}-{settings.place}.s{settings.seed}"
    record = f"attack.{name}.jsonl"
    names = [f"passages.{name}.jsonl", f"corpus.{name}.jsonl", f"run.{name}.txt", record]
    files = AttackFiles(settings, names, record)
    files.check(create=not dry_run)
    return Plan(settings, read_victim(settings), name, files)


def run_attack_passages(settings: PassageAttackSettings) -> AttackedPassages:
    """Run `attack_passages` with the given settings."""
    plan = prepare(settings)
    victim, what, place = plan.victim, settings.what, settings.place
    made_by = {
        "encoder": name_of(settings.encoder),
        "injected": what,
        "place": place,
        "seed": settings.seed,
        "relevance level": settings.relevance_level,
        "instrerank": __version__,
    }
    configured = plan.files.settle(made_by | {"data": victim.data})
    targets = victim.targets(progress=settings.progress)
    chosen = injecting.choose_victims(
        {target.topic.qid: target.docids for target in targets}, victim.qrels, settings.seed
    )
    ranked = injecting.attack_passages(targets, chosen, victim.texts, victim.encoder, what, place, settings.seed)
    success = injecting.attack_success(
        ranked.clean,
        ranked.attacked,
        chosen,
        lambda qid, docid: victim.qrels[qid].get(docid, 0) >= settings.relevance_level,
    )
    passages = [
        InjectedPassage(
            qid,
            passage.docid,
            f"{passage.docid}.injected-{qid}",
            victim.texts[passage.docid],
            passage.text,
            ranked.clean[qid].index(passage.docid) + 1,
            ranked.attacked[qid].index(passage.docid) + 1,
        )
        for qid, passage in ranked.passages.items()
    ]
    run, texts = with_changed(
        victim, ((each.qid, each.docid, each.injected_docid, each.injected) for each in passages)
    )
    output = None if settings.output is None else Path(settings.output)
    result = AttackedPassages(passages, success, run, texts, output)
    record = {
        "name": plan.name,
        **made_by,
        "topics": len(targets),
        **success._asdict(),
        "configuration": configured,
        "command": shlex.join(passage_attack_command(settings)),
        "data": victim.data,
    }
    with plan.files.written(record) as folder:
        if folder is not None:
            write_changed(folder, plan.name, map(_record, passages), run, texts)
    log.info(
        f"{'' if output is None else f'{output}/passages.{plan.name}.jsonl: '}"
        f"{counted(success.passages, 'grade-0 passage')} injected, "
        f"{counted(len(targets) - success.passages, 'topic')} without a grade-0 candidate; attack success rate: "
        f"{success.risen:.3f} rose, {success.into_top:.3f} entered the top 10, {success.beats_relevant:.3f} overtook "
        f"a relevant passage"
    )
    return result


def passage_attack_command(settings: PassageAttackSettings) -> list[str]:
    """Return the command that reproduces the files."""
    return command("attack", settings.flags() | {"--passages": f"{settings.what}:{settings.place}"})


def with_changed(victim: Victim, changed: Iterable[tuple[str, str, str, str]]) -> tuple[Run, dict[str, str]]:
    """Return the first stage with changed passages in place of their originals, and the texts of all candidates.

    Args:
        victim: the first stage and its texts.
        changed: (qid, docid, docid of the changed passage, its text) for each.
    """
    changed = list(changed)
    docid_of = {(qid, docid): new for qid, docid, new, _ in changed}
    rankings = {
        qid: [hit._replace(docid=docid_of.get((qid, hit.docid), hit.docid)) for hit in ranking]
        for qid, ranking in victim.candidates.rankings.items()
    }
    return Run(victim.candidates.tag, rankings), dict(victim.texts) | {new: text for _, _, new, text in changed}


def write_changed(
    folder: Path, name: str, passages: Iterable[Mapping[str, Any]], run: Run, texts: Mapping[str, str]
) -> None:
    """Write changed passages, and the run and the corpus that another system needs to rerank them."""
    corpus = ({"id": docid, "contents": text} for docid, text in texts.items())
    for kind, records in (("passages", passages), ("corpus", corpus)):
        with whole_file(folder / f"{kind}.{name}.jsonl") as file:
            for record in records:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    write_run(folder / f"run.{name}.txt", run)


def _record(each: InjectedPassage) -> dict[str, Any]:
    return {
        "id": each.injected_docid,
        "contents": each.injected,
        "qid": each.qid,
        "original_id": each.docid,
        "original": each.original,
        "rank": each.rank,
        "rank_injected": each.rank_injected,
    }
