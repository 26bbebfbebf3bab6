"""mteb's own task classes over made-up data, in the form in which the Hugging Face hub has the data of each."""

from __future__ import annotations

import importlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

WORDS = ("moon", "sun", "tide", "bread")
"""The words that the encoder of the tests counts, so that scores tie often."""

Rows = list[dict[str, Any]]


def text(draw: random.Random) -> str:
    return " ".join(draw.choices((*WORDS, "the", "of", "old", "harbour"), k=draw.randint(4, 9)))


def write_dataset(folder: Path, parts: dict[tuple[str, str], Rows]) -> Path:
    """Write a dataset with configurations and splits, parquet files and their list in the card, as on the hub."""
    from datasets import Dataset

    configs: dict[str, list[str]] = {}
    for (config, split), rows in parts.items():
        (folder / config).mkdir(parents=True, exist_ok=True)
        Dataset.from_list(rows).to_parquet(str(folder / config / f"{split}.parquet"))
        configs.setdefault(config, []).append(f"  - split: {split}\n    path: {config}/{split}.parquet\n")
    listed = "".join(f"- config_name: {config}\n  data_files:\n{''.join(files)}" for config, files in configs.items())
    (folder / "README.md").write_text(f"---\nconfigs:\n{listed}---\n")
    return folder


def register(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path, revision: str = "made-up") -> None:
    """Let mteb's task of this name read its data from a folder instead of the hub."""
    import datasets

    from instrerank.collections import mteb_data

    # mteb.get_tasks is also a function of the same name
    registry = importlib.import_module("mteb.get_tasks")._TASKS_REGISTRY
    task = registry[name]
    metadata = task.metadata.model_copy(update={"dataset": {"path": str(folder), "revision": revision}})
    monkeypatch.setitem(registry, name, type(name, (task,), {"metadata": metadata}))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder.parent / "cache")
    mteb_data._load.cache_clear()


def passages(draw: random.Random, number: int, prefix: str = "d") -> dict[str, str]:
    return {f"{prefix}{each:03}": text(draw) for each in range(number)}


def corpus_rows(texts: dict[str, str], title: str = "") -> Rows:
    return [{"_id": docid, "title": title, "text": body} for docid, body in texts.items()]


def qrel_rows(qrels: dict[str, dict[str, int]]) -> Rows:
    return [
        {"query-id": qid, "corpus-id": docid, "score": grade}
        for qid, grades in qrels.items()
        for docid, grade in grades.items()
    ]


def followir(topics: int = 20, depth: int = 30) -> dict[str, Rows]:
    """FollowIR's parts: each topic with the original and a narrowed instruction, under which fewer documents count."""
    draw = random.Random(1)
    texts = passages(draw, 60)
    rows: dict[str, Rows] = {"queries": [], "instruction": [], "top_ranked": [], "qrel_diff": []}
    qrels: dict[str, dict[str, int]] = {}
    for topic in range(301, 301 + topics):
        candidates = draw.sample(sorted(texts), depth)
        relevant = candidates[:6]
        changed = relevant[:2] if topic % 5 else []
        query = text(draw)
        for ending, instruction in (
            (("-og"), "Any passage counts."),
            ("-changed", f"Any, without {draw.choice(WORDS)}."),
        ):
            qid = f"{topic}{ending}"
            rows["queries"].append({"_id": qid, "text": query})
            rows["instruction"].append({"query-id": qid, "instruction": instruction})
            rows["top_ranked"].append({"query-id": qid, "corpus-ids": candidates})
            qrels[qid] = {docid: int(docid in relevant) for docid in candidates[:12]}
        qrels[f"{topic}-changed"] |= dict.fromkeys(changed, 0)
        rows["qrel_diff"].append({"query-id": str(topic), "corpus-ids": changed})
    return rows | {"corpus": corpus_rows(texts), "default": qrel_rows(qrels)}


def write_followir(folder: Path, parts: dict[str, Rows]) -> Path:
    split = {"default": "test", "qrel_diff": "qrel_diff"}
    return write_dataset(folder, {(config, split.get(config, config)): rows for config, rows in parts.items()})


def write_mfollowir(folder: Path, parts: dict[str, Rows], languages: tuple[str, ...]) -> Path:
    """Write the parts of FollowIR as mFollowIR has them, by language: `corpus-fas`, `qrel_diff-fas`, …"""
    split = {"default": "test"}
    return write_dataset(
        folder,
        {
            (f"{config}-{language}", split.get(config, config)): rows
            for config, rows in parts.items()
            for language in languages
        },
    )


def write_nevir(folder: Path, pairs: int = 15) -> Path:
    draw = random.Random(2)
    queries, top_ranked, qrels, texts = [], [], {}, {}
    for pair in range(pairs):
        docids = [f"{pair}_doc1", f"{pair}_doc2"]
        texts |= {docid: text(draw) for docid in docids}
        for number, docid in enumerate(docids, start=1):
            qid = f"{pair}_q{number}"
            queries.append({"_id": qid, "text": text(draw)})
            qrels[qid] = {docid: 1}
            top_ranked.append({"query-id": qid, "corpus-ids": docids})
    return write_dataset(
        folder,
        {
            ("corpus", "test"): corpus_rows(texts),
            ("queries", "test"): queries,
            ("default", "test"): qrel_rows(qrels),
            ("top_ranked", "test"): top_ranked,
        },
    )


def write_instructed(folder: Path, qid: str, topics: int = 12, variants: int = 3) -> Path:
    """Write InstructIR (`qid` = "{topic}_{variant}") or a task of IFIR ("{topic}v{variant}")."""
    draw = random.Random(3)
    texts = passages(draw, 40)
    queries, instructions, qrels = [], [], {}
    for topic in range(topics):
        query = text(draw)
        for variant in range(1, variants + 1):
            name = qid.format(topic=topic, variant=variant)
            queries.append({"_id": name, "text": query})
            instructions.append({"query-id": name, "instruction": f"Nothing without {draw.choice(WORDS)}."})
            qrels[name] = dict.fromkeys(draw.sample(sorted(texts), 3), 1)
    return write_dataset(
        folder,
        {
            ("corpus", "corpus"): corpus_rows(texts),
            ("queries", "queries"): queries,
            ("default", "test"): qrel_rows(qrels),
            ("instruction", "instruction"): instructions,
        },
    )


def write_beir(folder: Path, topics: int = 12, *, own: bool = False) -> Path:
    """Write a task of BEIR; with `own`, queries are documents too, as in ArguAna."""
    draw = random.Random(4)
    texts = passages(draw, 40)
    qids = sorted(texts)[:topics] if own else [f"q{topic}" for topic in range(topics)]
    queries = [{"_id": qid, "text": texts.get(qid) or text(draw)} for qid in qids]
    qrels = {qid: dict(zip(draw.sample(sorted(texts)[20:], 3), (1, 2, 0), strict=True)) for qid in qids}
    return write_dataset(
        folder,
        {
            ("corpus", "corpus"): corpus_rows(texts, title="On tides"),
            ("queries", "queries"): [*queries, {"_id": "unjudged", "text": "moon"}],
            ("default", "test"): qrel_rows(qrels),
        },
    )


def write_bright(folder: Path, domain: str, topics: int = 10) -> Path:
    draw = random.Random(5)
    short, long = passages(draw, 40), {f"long{each}": " ".join(text(draw) for _ in range(4)) for each in range(9)}
    examples = [
        {
            "query": text(draw),
            "reasoning": "",
            "id": str(topic),
            "excluded_ids": draw.sample(sorted(short), 2) if topic % 2 else ["N/A"],
            "gold_ids_long": draw.sample(sorted(long), 2),
            "gold_ids": draw.sample(sorted(short), 3),
            "gold_answer": "",
        }
        for topic in range(topics)
    ]
    for example in examples:
        example["excluded_ids"] = [docid for docid in example["excluded_ids"] if docid not in example["gold_ids"]] or [
            "N/A"
        ]
    rows = {"documents": short, "long_documents": long}
    parts = {(c, domain): [{"id": i, "content": t} for i, t in texts.items()] for c, texts in rows.items()}
    return write_dataset(folder, {**parts, ("examples", domain): examples})


def predictions(folder: Path, name: str) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Return the rankings that mteb saved, by subset and split."""
    found: dict[str, Any] = json.loads((folder / f"{name}_predictions.json").read_text())
    return found
