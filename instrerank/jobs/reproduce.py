"""Conditions with known scores: the commands that make their runs, and the comparison with expected scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import load_qrels, load_run
from instrerank.evaluation.measures import evaluate
from instrerank.trec.runs import run_name

HITS = 100
"""Number of candidates per topic to rerank."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A run with known scores.

    Attributes:
        name: `<collection>.<system>`.
        display: description of the collection.
        topics: name of the topics.
        qrels: name of the qrels.
        hits: number of documents per topic in the first stage.
        relevance_level: minimum grade that counts as relevant.
        scores: expected score by measure; None: not known yet.
        source: where the scores are from.
        needs: requirements other than the package; "" for none.
        corpus: passages to index first, if there is no prebuilt index.
        index: Pyserini's name of a prebuilt index.
        encoder: encoder that reranks the first stage; None: evaluate the first stage.
        instructions: name of the instructions.
    """

    name: str
    display: str
    topics: str
    qrels: str
    hits: int
    relevance_level: int
    scores: Mapping[str, float | None]
    source: str = ""
    needs: str = ""
    corpus: str | None = None
    index: str | None = None
    encoder: str | None = None
    instructions: str | None = None

    @property
    def collection(self) -> str:
        """The condition's collection."""
        return self.name.partition(".")[0]


class Compared(NamedTuple):
    """A score and the expected one.

    Attributes:
        measure: name of the measure.
        score: the score.
        expected: the expected score; None: not known yet.
        verdict: OK, OKish, FAIL or NEW (see `verdict`).
    """

    measure: str
    score: float
    expected: float | None
    verdict: str


def read_conditions() -> dict[str, Condition]:
    """Return the conditions by name, each with the fields of its collection."""
    import yaml

    matrix = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    conditions = {}
    for fields in matrix["conditions"]:
        collection: dict[str, Any] = matrix["collections"][fields["name"].partition(".")[0]]
        needs = "; ".join(each["needs"] for each in (collection, fields) if "needs" in each)
        conditions[fields["name"]] = Condition(**{**collection, **fields, "needs": needs})
    return conditions


def run_path(condition: Condition, output: Path, *, first_stage: bool = False) -> Path:
    """Return the path of a condition's run, or of its first stage."""
    encoder = None if first_stage else condition.encoder
    instructions = "none" if first_stage else (condition.instructions or "none").rpartition(":")[2]
    name = run_name(condition.collection, "bm25", Path(encoder or "none").name, instructions, "clean")
    return output / "runs" / name


def commands_of(condition: Condition, output: Path) -> list[list[str]]:
    """Return the commands that make a condition's run from scratch."""
    index = condition.index or str(output / "indexes" / condition.collection)
    topics = ["--topics", condition.topics, "--index", index]
    first_stage = str(run_path(condition, output, first_stage=True))
    commands = []
    if condition.corpus:
        commands.append(["index", "--corpus", condition.corpus, "--index", index, "--overwrite"])
    commands.append(["search", *topics, "--hits", str(condition.hits), "--output", first_stage, "--overwrite"])
    if condition.encoder:
        instructions = ["--instructions", condition.instructions] if condition.instructions else []
        reranker = ["--encoder", condition.encoder, *instructions, "--hits", str(HITS)]
        written = ["--output", str(run_path(condition, output))]
        commands.append(["rerank", "--run", first_stage, *topics, *reranker, *written, "--overwrite"])
    return commands


def compare(condition: Condition, run: Path) -> list[Compared]:
    """Compare the scores of a run with the expected ones."""
    expected = condition.scores
    qrels = load_qrels(condition.qrels)
    means = evaluate(load_run(run), qrels, list(expected), relevance_level=condition.relevance_level).means
    return [
        Compared(measure, score, wanted, verdict(score, wanted))
        for (measure, wanted), score in zip(expected.items(), means.values(), strict=True)
    ]


def verdict(score: float, expected: float | None) -> str:
    """Return OK, OKish or FAIL by Pyserini's rule (pyserini/2cr/msmarco.py, 1.6.0), or NEW without an expected score.

    The score is rounded to trec_eval's four digits: OK if it equals the expected one, OKish if it is at most 0.0005
    lower, or higher.
    """
    if expected is None:
        return "NEW"
    difference = round(round(score, 4) - expected, 4)
    if difference == 0:
        return "OK"
    return "OKish" if difference >= -0.0005 else "FAIL"
