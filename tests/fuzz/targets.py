"""Small valid inputs of every kind that a user hands in, and what is called with each."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from instrerank.cli import main

sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))

RUN = "".join(f"{q} Q0 d{d} {d} {9 - d}.5 bm25\n" for q in (1, 2) for d in (1, 2, 3))
QRELS = "1 0 d1 2\n1 0 d2 0\n1 0 d3 1\n2 0 d2 1\n2 0 d3 1\n2 0 d1 0\n"
TOPICS = "1\twhy does copper turn green\n2\twho built the first telescope\n"
INSTRUCTIONS = "1\tOnly passages that explain the cause are relevant.\n2\tNot those that give a recipe!\n"
PASSAGES = {
    "d1": "Copper turns green because it reacts with water.",
    "d2": "Glass is made from sand.",
    "d3": "Tides in 1969.",
}
TREC = """<top>
<num> Number: 1
<title> copper green
<desc> Description:
why does copper turn green
<narr> Narrative:
Only passages that explain the cause.
</top>
<top>
<num> Number: 2
<title> telescope
</top>
"""


def _lines(records: list[dict[str, object]]) -> str:
    return "".join(json.dumps(each) + "\n" for each in records)


FILES = {
    "run.txt": RUN,
    "qrels.txt": QRELS,
    "topics.tsv": TOPICS,
    "topics.jsonl": _lines(
        [
            {"qid": "1", "query": "copper", "instruction": "cause"},
            {"qid": "2", "query": "telescope", "instruction": "x"},
        ]
    ),
    "topics.xml": TREC,
    "instructions.tsv": INSTRUCTIONS,
    "instructions.jsonl": _lines([{"qid": "1", "instruction": "cause"}, {"qid": "2", "instruction": "no recipe"}]),
    "passages.jsonl": _lines([{"id": name, "title": "t", "contents": text} for name, text in PASSAGES.items()]),
    "passages.tsv": "".join(f"{name}\t{text}\n" for name, text in PASSAGES.items()),
    "requests.jsonl": _lines(
        [
            {
                "query": {"text": f"query {q}", "qid": q},
                "candidates": [
                    {"docid": name, "score": 9.5 - at, "doc": {"title": "t", "contents": text}}
                    for at, (name, text) in enumerate(PASSAGES.items())
                ],
            }
            for q in ("1", "2")
        ]
    ),
    "rows.jsonl": _lines(
        [
            {
                "query": f"thing {at}",
                "instruction": "short",
                "positive": f"thing {at} is",
                "negatives": [f"other {at}"],
            }
            for at in range(3)
        ]
        + [
            {
                "query": "tides",
                "instruction": "moon",
                "positive_passages": [{"docid": "1", "title": "t", "text": "moon"}],
                "negative_passages": [{"docid": "2", "text": "sun"}],
            }
        ]
    ),
    "study.yaml": """topics: topics.tsv
qrels: qrels.txt
corpus: passages.jsonl
run: run.txt
instructions: instructions.tsv
encoders:
- {encoder: model, name: small, fusion: interpolate, alpha: 0.5, max_length: 32}
perturbations: [typo-mixed, word-swap]
conditions: [none, own]
seeds: [1, 2]
candidates: [fixed]
hits: 10
k1: 0.9
measures: [ndcg_cut.10, map]
relevance_level: 1
pairs: [[small, bm25]]
name: small
""",
}


class Target(NamedTuple):
    """One kind of file.

    Attributes:
        file: the one that is damaged, in the folder of all.
        form: for `mutations.mutated`.
        calls: commands of which one is run.
    """

    file: str
    form: str
    calls: tuple[str | Callable[[], object], ...]


_RERANK = "rerank --encoder model --store none --output out/run.txt"
_ALL = f"{_RERANK} --run run.txt --topics topics.tsv --corpus passages.jsonl"
_MODEL = (_ALL, f"{_ALL} --adapter adapter", "train --inspect 1 --data rows.jsonl --encoder model")
_EVALUATE = "evaluate --qrels qrels.txt run.txt -m ndcg_cut.10 -m map -m recall.5"
_CONSTRAIN = "constrain --topics topics.tsv --qrels qrels.txt --corpus passages.jsonl --output out"
_PERTURB = (
    "perturb --source small --perturbations typo-mixed,word-swap,instruction-negated --output out --topics topics.tsv"
)


def _read_tables() -> None:
    from instrerank.study.report.answer import sentences
    from instrerank.study.report.reading import read_tables

    for tables in read_tables(Path("studied")):
        sentences(tables)


TARGETS = (
    Target("run.txt", "text", ("check run.txt", _EVALUATE, _ALL, *(
        f"export run.txt --to {to} --output out/run.txt" for to in ("trec", "msmarco", "beir", "mteb")
    ))),
    Target("qrels.txt", "text", ("check qrels.txt", _EVALUATE, _CONSTRAIN)),
    *(
        Target(file, form, (f"check {file}", f"check --kind topics {file}", _ALL.replace("topics.tsv", file),
                            _PERTURB.replace("topics.tsv", file)))
        for file, form in (("topics.tsv", "text"), ("topics.jsonl", "jsonl"), ("topics.xml", "text"))
    ),
    *(
        Target(file, form, (f"check {file}", f"{_ALL} --instructions {file}", f"{_PERTURB} --instructions {file}"))
        for file, form in (("instructions.tsv", "text"), ("instructions.jsonl", "jsonl"))
    ),
    *(
        Target(file, form, (f"check --kind passages {file}", _ALL.replace("passages.jsonl", file),
                            _CONSTRAIN.replace("passages.jsonl", file)))
        for file, form in (("passages.jsonl", "jsonl"), ("passages.tsv", "text"))
    ),
    Target("requests.jsonl", "jsonl", (f"{_RERANK} --run requests.jsonl", "check requests.jsonl")),
    Target("study.yaml", "yaml", ("study study.yaml --dry-run --output out",)),
    Target("studied/study.yaml", "yaml", ("study study.yaml --resume --output studied",)),
    *(
        Target(f"studied/tables/fixed/{name}.csv", "text", (_read_tables,))
        for name in ("cells", "topics", "robustness", "families", "instructions")
    ),
    Target("done/run.txt.yaml", "yaml", (f"{_ALL} --resume".replace("out/", "done/"),
                                         "export done/run.txt --to trec --output out/run.txt", "evaluate --qrels qrels.txt done/run.txt")),
    Target("perturbed/querysets.small.jsonl", "jsonl", (_PERTURB.replace("--output out", "--output perturbed --overwrite"),)),
    Target("constrained/constraints.jsonl", "jsonl", (
        "train --inspect 1 --data constrained --corpus passages.jsonl --encoder model --too-long truncate",
        _CONSTRAIN.replace("--output out", "--output constrained"),
    )),
    Target("rows.jsonl", "jsonl", ("train --inspect 2 --data rows.jsonl --encoder model",)),
    *(
        Target(f"model/{name}", "json", _MODEL)
        for name in ("config.json", "modules.json", "1_Pooling/config.json", "tokenizer_config.json", "instrerank.json",
                     "config_sentence_transformers.json", "sentence_bert_config.json")
    ),
    Target("adapter/adapter_config.json", "json", _MODEL[1:2]),
    *(Target(f"model/{name}", "bytes", _MODEL[:1]) for name in ("model.safetensors", "tokenizer.json")),
    Target("shards/model.safetensors.index.json", "json", (_ALL.replace("--encoder model", "--encoder shards --pooling mean"),)),
)  # fmt: skip


def make_folder(folder: Path) -> None:
    """Write all valid inputs into `folder`, which is the working directory, some by the verbs themselves."""
    import tiny

    for name, content in FILES.items():
        (folder / name).write_text(content)
    model = tiny.save(folder / "model", "bert")
    tiny.save_adapter(folder / "adapter", model, target_modules=["query", "value"])
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    modules = [
        {"idx": at, "path": path, "type": f"sentence_transformers.models.{kind}"}
        for at, (kind, path) in enumerate(kinds)
    ]
    documents = {
        "modules.json": modules,
        "1_Pooling/config.json": {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True},
        "config_sentence_transformers.json": {"prompts": {"query": "query: ", "document": ""}, "similarity_fn_name": "cosine"},
        "sentence_bert_config.json": {"max_seq_length": 64, "do_lower_case": False},
    }  # fmt: skip
    for name, document in documents.items():
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_text(json.dumps(document))
    shutil.copytree(model, folder / "shards")
    (folder / "shards/modules.json").unlink()
    (folder / "shards/model.safetensors").rename(folder / "shards/part.safetensors")
    weight_map = {"weight_map": {"embeddings.word_embeddings.weight": "part.safetensors"}}
    (folder / "shards/model.safetensors.index.json").write_text(json.dumps(weight_map))
    profile = {
        "family": "small",
        "pooling": "mean",
        "query_template": "{q} {i}",
        "max_query_length": 32,
        "max_passage_length": 32,
    }
    (model / "instrerank.json").write_text(json.dumps(profile))
    for command in (
        _ALL.replace("out/", "done/"),
        _PERTURB.replace("--output out", "--output perturbed"),
        _CONSTRAIN.replace("--output out", "--output constrained"),
        "study study.yaml --output studied",
    ):
        assert main(command.split()) == 0, command
