"""Pairs of passages that probe for shortcuts: made from the relevant ones, and written for any system to score."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import open_passages
from instrerank.errors import InputError
from instrerank.files import whole_file
from instrerank.perturbations.probes import (
    PROBES,
    Probe,
    ProbePair,
    draw_passages,
    probe_passages,
    relevant_passages,
)
from instrerank.trec import Run, ScoredDoc, Topic, write_run
from instrerank.trec.problems import counted


class ProbeSet(NamedTuple):
    """The pairs of passages, ready to be scored by any system.

    Attributes:
        topics: the topics, with their instructions.
        pairs: of all seeds.
        skipped: number of passages by (probe, reason).
        topics_without: number of topics without a relevant passage that has a text.
        passages_without: number of relevant passages without text.
    """

    topics: list[Topic]
    pairs: list[ProbePair]
    skipped: Counter[tuple[str, str]]
    topics_without: int
    passages_without: int

    def __repr__(self) -> str:
        return f"ProbeSet({len(self.pairs)} pairs of {len({pair.qid for pair in self.pairs})} topics)"

    @property
    def run(self) -> Run:
        """All passages of all pairs as candidates of their topics."""
        rankings: dict[str, list[ScoredDoc]] = {}
        for pair in self.pairs:
            rankings.setdefault(pair.qid, []).extend(ScoredDoc(docid, 0.0) for docid in pair.docids)
        return Run("probes", rankings)

    @property
    def texts(self) -> dict[str, str]:
        """The texts of the candidates by docid."""
        return {
            docid: text
            for pair in self.pairs
            for docid, text in zip(pair.docids, (pair.plain, pair.shortcut), strict=True)
        }


def make_probes(
    topics: Sequence[Topic],
    qrels: Mapping[str, Mapping[str, int]],
    passages: Any,
    probes: Sequence[Probe],
    *,
    seeds: Sequence[int],
    per_topic: int,
    level: int,
) -> ProbeSet:
    """Make the pairs of all seeds.

    Raises:
        InputError: no relevant passage of any topic has a text, or no probe can be made from any.
    """
    relevant = relevant_passages(topics, {qid: dict(grades) for qid, grades in qrels.items()}, level)
    docids = list(dict.fromkeys(docid for found in relevant.values() for docid in found))
    source = open_passages(passages)
    texts = source.lookup(docids)
    pairs: list[ProbePair] = []
    skipped: Counter[tuple[str, str]] = Counter()
    drawn: dict[str, list[str]] = {}
    for seed in seeds:
        drawn = draw_passages(relevant, texts, per_topic, seed)
        made = probe_passages(topics, drawn, texts, probes, seed)
        pairs += made.pairs
        skipped += made.skipped
    if not pairs:
        why = "; ".join(sorted({reason for _, reason in skipped})) or "do topics, qrels and passages belong together?"
        raise InputError(
            f"{source.name}: no probe can be made from {counted(len(docids), 'relevant passage')} of "
            f"{counted(len(topics), 'topic')}: {why}"
        )
    absent = sum(not texts.get(docid, "").strip() for docid in docids)
    return ProbeSet(list(topics), pairs, skipped, len(topics) - len(drawn), absent)


def write_probes(folder: Path, source: str, made: ProbeSet) -> None:
    """Write the pairs, their passages as a corpus, and the run that has them all as candidates."""
    with whole_file(folder / f"probes.{source}.jsonl") as file:
        for pair in made.pairs:
            record = {"expects": PROBES[pair.probe].expects, **pair._asdict(), "docids": pair.docids}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    with whole_file(folder / f"corpus.{source}.probes.jsonl") as file:
        for docid, text in made.texts.items():
            file.write(json.dumps({"id": docid, "contents": text}, ensure_ascii=False) + "\n")
    write_run(folder / f"run.{source}.probes.txt", made.run)


def summary(made: ProbeSet) -> str:
    """Return in one line how many pairs there are, and what was left out."""
    notes = [f"{counted(len(made.pairs), 'pair')} of {counted(len({pair.qid for pair in made.pairs}), 'topic')}"]
    if made.topics_without:
        notes.append(f"{counted(made.topics_without, 'topic')} without a relevant passage that has a text")
    if made.passages_without:
        notes.append(f"{counted(made.passages_without, 'relevant passage')} without text")
    reasons: Counter[str] = Counter()
    for (_, reason), count in made.skipped.items():
        reasons[reason] += count
    if reasons:
        why = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
        notes.append(f"{counted(sum(reasons.values()), 'pair')} not made: {why}")
    return "; ".join(notes)
