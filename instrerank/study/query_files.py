"""The topics and instructions of a study as files, so that every run can be reproduced by hand."""

from __future__ import annotations

import json
from pathlib import Path

from instrerank.files import whole_file
from instrerank.perturbations import write_query_set
from instrerank.study.plan import CLEAN, TOPICS, Cell, Plan
from instrerank.trec import write_topics


def write_query_files(plan: Plan, folder: Path) -> None:
    """Write the clean topics, every query set, and the instructions of every condition.

    Raises:
        InputError: the folder cannot be written, or a text cannot be written as TSV.
    """
    for variation in plan.variations:
        if variation.queries is None:
            write_topics(folder / TOPICS / f"topics.{plan.configuration.name}.{CLEAN}.tsv", plan.topics)
        else:
            write_query_set(folder / TOPICS, variation.queries)
    for condition, instructions in plan.instructions.items():
        if instructions:
            with whole_file(folder / _instructions(condition)) as file:
                for topic in plan.topics:
                    record = {"qid": topic.qid, "instruction": instructions.get(topic.qid, "")}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")


def query_files(plan: Plan, cell: Cell) -> tuple[str, str | None]:
    """Return the paths of a cell's topics and instructions (None without) within the study's folder."""
    name = f"{TOPICS}/topics.{plan.configuration.name}.{cell.variation.label}"
    if cell.variation.of_instruction:
        return f"{name}.jsonl", None
    return f"{name}.tsv", _instructions(cell.condition) if plan.instructions.get(cell.condition) else None


def _instructions(condition: str) -> str:
    return f"{TOPICS}/instructions.{condition}.jsonl"
