"""Conditions with known scores: the commands that make their runs, and the comparison with what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import load_qrels, load_run
from instrerank.evaluation.measures import evaluate
from instrerank.trec.runs import run_name

HITS = 100
"""Candidates of each topic that are reranked."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A run with known scores.

    Attributes:
        name: `<collection>.<what is done>`.
        display: the collection in words.
        topics: name of the topics.
        qrels: name of the qrels.
        hits: depth of the first stage.
        relevance_level: least grade that counts as relevant.
        scores: expected score by measure; None: nobody has one yet.
        source: where the scores are from.
        needs: what this machine must have besides the package; "" for nothing.
        corpus: passages to index first, where no prebuilt index is named.
        index: Pyserini's name of a prebuilt index.
        encoder: reranks the first stage; None: the first stage alone.
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
        """The collection that the condition is over."""
        return self.name.partition(".")[0]


class Compared(NamedTuple):
    """A score beside the expected one.

    Attributes:
        measure: name of the measure.
        score: what came out.
        expected: what should come out; None: nobody has a score yet.
        verdict: OK, OKish, FAIL or NEW, see `verdict`.
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
    """Return where the run of a condition, or its first stage, is written."""
    encoder = None if first_stage else condition.encoder
    instructions = "none" if first_stage else (condition.instructions or "none").rpartition(":")[2]
    name = run_name(condition.collection, "bm25", Path(encoder or "none").name, instructions, "clean")
    return output / "runs" / name


def commands_of(condition: Condition, output: Path) -> list[list[str]]:
    """Return the commands that make the run of a condition anew."""
    index = condition.index or str(output / "indexes" / condition.collection)
    topics = ["--topics", condition.topics, "--index", index]
    first_stage = str(run_path(condition, output, first_stage=True))
    commands = []
    if condition.corpus:
        commands.append(["index", "--corpus", condition.corpus, "--index", index, "--overwrite"])
    commands.append(["search", *topics, "--hits", str(condition.hits), "--output", first_stage])
    if condition.encoder:
        instructions = ["--instructions", condition.instructions] if condition.instructions else []
        reranker = ["--encoder", condition.encoder, *instructions, "--hits", str(HITS)]
        written = ["--output", str(run_path(condition, output))]
        commands.append(["rerank", "--run", first_stage, *topics, *reranker, *written])
    return commands


def compare(condition: Condition, run: Path) -> list[Compared]:
    """Return each score of a run beside the expected one."""
    expected = condition.scores
    qrels = load_qrels(condition.qrels)
    means = evaluate(load_run(run), qrels, list(expected), relevance_level=condition.relevance_level).means
    return [
        Compared(measure, score, wanted, verdict(score, wanted))
        for (measure, wanted), score in zip(expected.items(), means.values(), strict=True)
    ]


def verdict(score: float, expected: float | None) -> str:
    """Return OK, OKish or FAIL by Pyserini's rule (pyserini/2cr/msmarco.py, 1.6.0), NEW where nothing is expected.

    A score is rounded to trec_eval's four digits: OK if it is the expected one, OKish if it is within 0.0005 or
    higher.
    """
    if expected is None:
        return "NEW"
    difference = round(round(score, 4) - expected, 4)
    if difference == 0:
        return "OK"
    return "OKish" if difference >= -0.0005 else "FAIL"
