"""The job `constrain`: write instructions whose effect on relevance is verified, with changed and reversed qrels."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import MissingPolicy, instructed_topics, load_qrels, open_passages
from instrerank.errors import InputError, InstrerankError
from instrerank.files import read_lines, whole_file
from instrerank.jobs.outputs import staged
from instrerank.jobs.settings import settings_of
from instrerank.perturbations import constraints as rules
from instrerank.perturbations.constraints import INSTRUCTIONS, Constraint, Instruction
from instrerank.perturbations.querysets import check_topics
from instrerank.trec import Qrels, Topic, read_qrels, write_qrels, write_topics
from instrerank.trec.problems import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ConstrainSettings:
    """Settings of `constrain`.

    Attributes:
        topics: as `instrerank.load_topics` takes them.
        qrels: as `instrerank.load_qrels` takes them.
        corpus: passages, as `instrerank.open_passages` takes them.
        index: Lucene index that stores its passages, as an alternative to `corpus`.
        instructions: instructions by qid to narrow; None: each topic's own instruction, or a generic one if it has
            none.
        missing: "error"; or "skip" to give topics that have no instruction in `instructions` a generic one.
        limit: use only the first `limit` topics; None: all.
        seed: random seed for rules and their wording.
        relevance_level: minimum grade that counts as relevant.
        least_share: minimum share of a topic's relevant passages that its rule must keep, and minimum share that it
            must exclude.
        output: folder to write to; None: write nothing.
        overwrite: replace existing files made with other settings or inputs.
    """

    topics: Any
    qrels: Any
    corpus: Any = None
    index: str | Path | None = None
    instructions: Any = None
    missing: MissingPolicy = "error"
    limit: int | None = None
    seed: int = 1
    relevance_level: int = 1
    least_share: float = 0.3
    output: str | Path | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check that the settings are valid.

        Raises:
            InputError: neither or both of `corpus` and `index` are given.
        """
        if (self.corpus is None) == (self.index is None):
            raise InputError("give passages by either `corpus` or `index`, not both")


class Constrained(NamedTuple):
    """What `constrain` returns.

    Attributes:
        topics: topics that have a rule, without instructions.
        instructions: instructions by qid, for each of "original", "changed" and "reversed".
        qrels: qrels under these instructions, by the same names.
        constraints: the rules, and the passages that each keeps and excludes.
        left_out: by qid, the reason why a topic has no rule.
        output: folder of the files; None if nothing was written.
    """

    topics: list[Topic]
    instructions: dict[Instruction, dict[str, str]]
    qrels: dict[Instruction, Qrels]
    constraints: list[Constraint]
    left_out: dict[str, str]
    output: Path | None

    def __repr__(self) -> str:
        return f"Constrained({len(self.topics)} topics, {len(self.left_out)} left out, output={self.output!r})"


def constrain(topics: Any, qrels: Any, **settings: Any) -> Constrained:
    """Write instructions whose effect on relevance a program can verify, and the qrels under them.

    For each topic a rule on the passage text is chosen that splits its relevant passages. The changed instruction
    states the rule; the reversed one asks for exactly the passages that the rule excludes.

    Args:
        topics: as `instrerank.load_topics` takes them.
        qrels: as `instrerank.load_qrels` takes them.
        **settings: `corpus` or `index`, and other fields of `ConstrainSettings`.

    Raises:
        InputError: bad input, no topic with a rule, or an existing `output` that must not be replaced.
        MissingPrerequisiteError: a source of topics, qrels or passages is not available here.
    """
    return run_constrain(settings_of(ConstrainSettings, topics=topics, qrels=qrels, **settings))


def run_constrain(settings: ConstrainSettings) -> Constrained:
    """Run `constrain` with the given settings."""
    topics = instructed_topics(settings.topics, settings.instructions, missing=settings.missing, limit=settings.limit)
    check_topics(topics)
    qrels = load_qrels(settings.qrels)
    judged = dict.fromkeys(docid for topic in topics for docid, grade in qrels.get(topic.qid, {}).items() if grade > 0)
    source: Any = settings.corpus if settings.corpus is not None else settings.index
    texts = {docid: text for docid, text in open_passages(source).lookup(judged).items() if text.strip()}
    constraints, left_out = rules.constrain(
        topics,
        qrels,
        texts,
        settings.seed,
        relevance_level=settings.relevance_level,
        least_share=settings.least_share,
    )
    for qid, reason in left_out.items():
        log.warning(f"topic {qid} left out: {reason}")
    if not constraints:
        raise InputError("no rule found for any topic: check that `qrels` and passages belong to these topics")
    qids = {each.qid for each in constraints}
    result = Constrained(
        topics=[topic._replace(instruction="") for topic in topics if topic.qid in qids],
        instructions={name: {each.qid: getattr(each, name) for each in constraints} for name in INSTRUCTIONS},
        qrels=rules.constrained_qrels(constraints, qrels, texts),
        constraints=constraints,
        left_out=left_out,
        output=None if settings.output is None else Path(settings.output),
    )
    if result.output is not None:
        names = ("topics", "qrels", "corpus", "index", "instructions")
        inputs = {name: getattr(settings, name) for name in names}
        with staged(result.output, inputs, overwrite=settings.overwrite) as folder:
            _write(folder, result)
            _verify(folder, texts)
    unread = len(judged) - len(texts)
    kinds = Counter(each.rule.kind for each in constraints)
    dropped = sum(len(each.dropped) for each in constraints)
    log.info(
        f"{'' if result.output is None else f'{result.output}: '}{len(constraints)} of "
        f"{counted(len(topics), 'topic')}, {counted(dropped, 'passage')} no longer relevant, "
        f"{counted(sum(map(len, result.qrels['changed'].values())), 'label')} verified; "
        f"rules: {', '.join(f'{kind} {count}' for kind, count in kinds.most_common())}"
        + (f"; {counted(unread, 'relevant passage')} without text left out" if unread else "")
    )
    return result


def _write(folder: Path, result: Constrained) -> None:
    write_topics(folder / "topics.tsv", result.topics)
    for name in INSTRUCTIONS:
        with whole_file(folder / f"instructions.{name}.tsv") as file:
            file.writelines(f"{qid}\t{instruction}\n" for qid, instruction in result.instructions[name].items())
        write_qrels(folder / f"qrels.{name}.txt", result.qrels[name])
    with whole_file(folder / "changed.tsv") as file:
        file.writelines(f"{each.qid}\t{docid}\n" for each in result.constraints for docid in each.dropped)
    with whole_file(folder / "constraints.jsonl") as file:
        file.writelines(json.dumps(each.record(), ensure_ascii=False) + "\n" for each in result.constraints)


def _verify(folder: Path, texts: Mapping[str, str]) -> None:
    """Read the written files and verify every label again."""
    records = [json.loads(line) for _, line in read_lines(folder / "constraints.jsonl")]
    qrels = {name: read_qrels(folder / f"qrels.{name}.txt") for name in INSTRUCTIONS}
    problems = rules.verify(records, qrels, texts)
    if problems:
        raise InstrerankError(f"{counted(len(problems), 'label')} could not be verified, the first: {problems[0]}")
