"""Topics whose ranking changed most, with the top ten before and after and their passages: `examples/<mode>.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from instrerank.collections import PassageSource
from instrerank.errors import InputError
from instrerank.evaluation.stability import rank_biased_overlap
from instrerank.files import parse_json, read_lines, whole_file
from instrerank.study.configuration import FIRST_STAGE, System
from instrerank.study.first_stage import open_study_passages
from instrerank.study.plan import Cell
from instrerank.study.prompts import PROMPT
from instrerank.study.results import Results
from instrerank.study.tables.comparison import is_invariance
from instrerank.trec import Qrels, ScoredDoc

_DEPTH = 10
_TOPICS = 3
"""Examples of each system under perturbed queries, and of each encoder and change of the instruction."""

_TEXT = 600
"""Characters of a passage that are kept."""


@dataclass(frozen=True)
class Document:
    """A document of a top ten.

    Attributes:
        docid: of the document.
        grade: of its judgement, None if it is not judged.
        relevant: whether the grade counts as relevant.
        other_rank: its rank in the other ranking, from 1; None if it is not there.
    """

    docid: str
    grade: int | None
    relevant: bool
    other_rank: int | None


@dataclass(frozen=True)
class Side:
    """One of the two rankings.

    Attributes:
        label: `clean`, `typo-mixed.s1`, or the condition of the instruction.
        query: text of the query.
        instruction: empty without one.
        score: by the measure of the example.
        documents: the top ten.
    """

    label: str
    query: str
    instruction: str
    score: float
    documents: list[Document]


@dataclass(frozen=True)
class Example:
    """A topic before and after a change of its query, of its instruction, or of the run.

    Attributes:
        change: `query`, `instruction` or `run`.
        encoder: of the system; empty for runs.
        instructions: the condition of the system; for a change of the instruction, that after it.
        qid: of the topic.
        measure: of the scores.
        before: with the clean query, or under the first instruction.
        after: with the perturbed query, or under the other instruction.
        texts: start of each passage by docid.
    """

    change: str
    encoder: str
    instructions: str
    qid: str
    measure: str
    before: Side
    after: Side
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def difference(self) -> float:
        """Score after − score before."""
        return self.after.score - self.before.score


def top_ten(
    ranking: Sequence[str], other: Sequence[str], grades: Mapping[str, int], relevance_level: int
) -> list[Document]:
    """Return the first ten documents of a ranking.

    Args:
        ranking: docids, best first.
        other: docids of the ranking beside it.
        grades: judgements of the topic by docid.
        relevance_level: least grade that counts as relevant.
    """
    ranks = {docid: rank for rank, docid in enumerate(other, start=1)}
    return [
        Document(docid, grades.get(docid), grades.get(docid, 0) >= relevance_level, ranks.get(docid))
        for docid in ranking[:_DEPTH]
    ]


def texts_of(docids: Iterable[str], passages: PassageSource) -> dict[str, str]:
    """Return the start of each passage that has a text, by docid."""
    found = passages.lookup(sorted(set(docids)))
    return {docid: text if len(text) <= _TEXT else f"{text[:_TEXT]}…" for docid, text in found.items()}


def write_examples(results: Results, folder: Path) -> None:
    """Write the examples of one mode; passages of an earlier call are not looked up again.

    Raises:
        InputError: the folder cannot be written, or the passages cannot be read.
    """
    path = _path(folder, results.mode)
    found = [*_of_queries(results), *_of_instructions(results)]
    docids = {document.docid for each in found for side in (each.before, each.after) for document in side.documents}
    texts = {docid: text for each in read_examples(folder, results.mode) for docid, text in each.texts.items()}
    texts |= _texts(results, docids - texts.keys())
    with whole_file(path) as file:
        for each in found:
            for document in [*each.before.documents, *each.after.documents]:
                each.texts[document.docid] = texts.get(document.docid, "")
            file.write(json.dumps(asdict(each), ensure_ascii=False) + "\n")


def read_examples(folder: Path, mode: str) -> list[Example]:
    """Read the examples of one mode; none if the study has none.

    Raises:
        InputError: a line that is not an example.
    """
    path = _path(folder, mode)
    if not path.is_file():
        return []
    lines = [(f"{path}:{number}", line) for number, line in read_lines(path)]
    return [_example(parse_json(line, place), place) for place, line in lines]


def _example(record: Any, place: str) -> Example:
    try:
        before, after = (
            Side(**{**record[side], "documents": [Document(**each) for each in record[side]["documents"]]})
            for side in ("before", "after")
        )
        return Example(**{**record, "before": before, "after": after})
    except (TypeError, KeyError) as error:
        raise InputError(f"{place}: not an example; write it again with `instrerank study --resume`") from error


def _path(folder: Path, mode: str) -> Path:
    return folder / "examples" / f"{mode}.jsonl"


def _texts(results: Results, docids: Collection[str]) -> dict[str, str]:
    if not docids:
        return {}
    return texts_of(docids, open_study_passages(results.plan.configuration))


def _of_queries(results: Results) -> Iterator[Example]:
    """Yield for each system the topics with the largest losses under a meaning-preserving perturbation."""
    measure = _measure(results)
    for system in results.systems:
        clean = results.clean(system)
        worst: dict[str, tuple[float, int, Cell]] = {}
        cells = [cell for draws in results.draws(system).values() for cell in draws if is_invariance(cell)]
        for order, cell in enumerate(cells):
            for qid, score in results.scores[cell][measure].items():
                loss = results.scores[clean][measure][qid] - score
                if loss > worst.get(qid, (0.0,))[0]:
                    worst[qid] = loss, order, cell
        for qid, (_, _, cell) in sorted(worst.items(), key=lambda item: (-item[1][0], item[0]))[:_TOPICS]:
            labels = (clean.variation.label, cell.variation.label)
            yield _compared(results, "query", qid, (clean, cell), labels)


def _of_instructions(results: Results) -> Iterator[Example]:
    """Yield for each encoder and change of the instruction the topics whose ranking changes most (1 − RBO)."""
    for encoder in dict.fromkeys(system.encoder for system in results.systems if system.encoder != FIRST_STAGE):
        conditions = [system.instructions for system in results.systems if system.encoder == encoder]
        for condition in conditions:
            first = "own" if condition == "changed" and "own" in conditions else "none"
            if condition == "none" or condition.startswith(PROMPT) or first not in conditions:
                continue
            cells = [results.clean(System(encoder, each)) for each in (first, condition)]
            rankings = [results.runs[cell].rankings for cell in cells]
            moved = {
                qid: _distance(*(each[qid] for each in rankings)) for qid in rankings[0].keys() & rankings[1].keys()
            }
            for qid, _ in sorted(moved.items(), key=lambda item: (-item[1], item[0]))[:_TOPICS]:
                yield _compared(results, "instruction", qid, (cells[0], cells[1]), (first, condition))


def _distance(before: Sequence[ScoredDoc], after: Sequence[ScoredDoc]) -> float:
    first, second = ([document.docid for document in ranking] for ranking in (before, after))
    return 1 - rank_biased_overlap(first, second)


def _compared(results: Results, change: str, qid: str, cells: tuple[Cell, Cell], labels: tuple[str, str]) -> Example:
    measure, plan = _measure(results), results.plan
    docids = [[document.docid for document in results.runs[cell].rankings.get(qid, [])] for cell in cells]
    sides = []
    for cell, label, ranking, other in zip(cells, labels, docids, reversed(docids), strict=True):
        topic = next(topic for topic in plan.topics_of(cell.condition, cell.variation) if topic.qid == qid)
        changed = cell.condition == "changed" and plan.changed_qrels is not None
        qrels: Qrels = plan.changed_qrels if changed and plan.changed_qrels is not None else plan.qrels
        documents = top_ten(ranking, other, qrels.get(qid, {}), plan.configuration.relevance_level)
        score = results.scores[cell][measure].get(qid, 0.0)
        sides.append(Side(label, topic.text, topic.instruction, score, documents))
    return Example(change, *cells[1].system, qid, measure, before=sides[0], after=sides[1])


def _measure(results: Results) -> str:
    measures = next(iter(results.scores.values()))
    return "ndcg_cut_10" if "ndcg_cut_10" in measures else next(iter(measures))
