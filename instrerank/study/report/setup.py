"""The setup of a study for the top of its page, and the texts of its instructions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.files import parse_json, read_lines
from instrerank.files.values import read_mapping
from instrerank.study.folder import RECORD
from instrerank.study.report.labels import measure_label
from instrerank.study.report.reading import Tables

_SHOWN = 60
"""Topics whose instructions are shown."""


class InstructionTexts(NamedTuple):
    """The instructions of a study.

    Attributes:
        conditions: those with instructions.
        common: by condition, the text that all its topics share.
        by_topic: qid and the texts of the other conditions, in their order.
        topics: number of topics, of which `by_topic` may have fewer.
    """

    conditions: list[str]
    common: dict[str, str]
    by_topic: list[tuple[str, list[str]]]
    topics: int


def setup(folder: Path, found: Sequence[Tables]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return what the study is made of, as terms and their descriptions, and the notes on its topics.

    Raises:
        InputError: a broken study.yaml.
    """
    path = folder / RECORD
    record = read_mapping(path, "the record of a study") if path.is_file() else {}
    configuration, notes = record.get("configuration"), record.get("notes")
    lines = list(_described(configuration, found)) if isinstance(configuration, Mapping) else []
    return lines, [str(note) for note in notes] if isinstance(notes, list) else []


def _described(configuration: Mapping[str, Any], found: Sequence[Tables]) -> Iterator[tuple[str, str]]:
    get = configuration.get
    yield "Topics", f"{found[0].cells[0].row.topics} judged topics of {get('topics')}, qrels {get('qrels')}"
    yield "Passages", str(get("corpus") or f"index {get('index')}")
    bm25 = f"BM25 (k1 = {get('k1')}, b = {get('b')}), {get('search_hits')} documents"
    first = [f"run {get('run')} for the clean queries"] if get("run") else []
    if not get("run") or "retrieve" in _list(get("candidates")):
        first.append(bm25)
    yield "First stage", "; ".join(first)
    yield "Encoders", "; ".join(map(_encoder, _list(get("encoders"))))
    yield "Reranking", f"the first {get('hits')} candidates of each topic"
    yield (
        "Instructions",
        ", ".join(map(str, _list(get("conditions"))))
        + (f"; changed ({get('changed_instructions')})" if get("changed_instructions") else ""),
    )
    if get("prompts"):
        yield "Prompts", str(get("prompts"))
    perturbations = ", ".join(map(str, _list(get("perturbations")))) or "none"
    yield "Perturbations", f"{perturbations}; seeds {', '.join(map(str, _list(get('seeds'))))}"
    if get("probes"):
        yield "Probes", ", ".join(map(str, _list(get("probes"))))
    measures = dict.fromkeys(row.measure for row, _ in found[0].cells)
    yield "Measures", f"{', '.join(map(measure_label, measures))}; relevant from grade {get('relevance_level')}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _encoder(choice: Any) -> str:
    if not isinstance(choice, Mapping):
        return str(choice)
    options = dict(choice.get("load") or {})
    if choice.get("fusion") != "none":
        options["fusion"] = f"{choice.get('fusion')}"
        options |= {"alpha": choice.get("alpha")} if choice.get("fusion") == "interpolate" else {}
    if choice.get("max_passage"):
        options["max_passage"] = choice["max_passage"]
    if choice.get("encoder") != choice.get("name"):
        options = {"encoder": choice.get("encoder"), **options}
    listed = ", ".join(f"{key} {value}" for key, value in options.items())
    return f"{choice.get('name')} ({listed})" if listed else str(choice.get("name"))


def instruction_texts(folder: Path) -> InstructionTexts | None:
    """Return the instructions of each condition, read from `topics/instructions.<condition>.jsonl`.

    Raises:
        InputError: a line that is not JSON.
    """
    texts: dict[str, dict[str, str]] = {}
    for path in sorted((folder / "topics").glob("instructions.*.jsonl")):
        condition = path.name.removeprefix("instructions.").removesuffix(".jsonl")
        for number, line in read_lines(path):
            record = parse_json(line, f"{path}:{number}")
            texts.setdefault(condition, {})[str(record["qid"])] = str(record["instruction"])
    if not texts:
        return None
    # "own" before "changed": the order of the change
    order = sorted(texts, key=lambda condition: (condition != "own", condition != "changed", condition))
    common = {name: next(iter(texts[name].values())) for name in order if len(set(texts[name].values())) == 1}
    own = [name for name in order if name not in common]
    qids = list(dict.fromkeys(qid for name in order for qid in texts[name]))
    by_topic = [(qid, [texts[name].get(qid, "") for name in own]) for qid in qids] if own else []
    return InstructionTexts(own, common, by_topic[:_SHOWN], len(qids))
