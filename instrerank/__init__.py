"""Rerank Pyserini's BM25 runs with instruction-following bi-encoders, on clean and adversarial queries.

    import instrerank as ir

    topics, qrels = ir.load_topics("topics.tsv"), ir.load_qrels("qrels.txt")
    bm25 = ir.search(topics, index="indexes/passages", hits=100)
    run = ir.rerank(bm25, topics, corpus="passages.jsonl", encoder="minilm", instructions="instructions.tsv")
    print(ir.evaluate(run, qrels, ["nDCG@10"]).means)

Every argument that takes data takes its name or path as well; `output=` writes what a verb of the command line writes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from instrerank.version import __version__

if TYPE_CHECKING:
    from instrerank.collections import (
        load_instructions,
        load_qrels,
        load_run,
        load_topics,
        open_passages,
    )
    from instrerank.encoders import EncoderProfile, LoadOptions
    from instrerank.errors import InputError, InstrerankError, MissingPrerequisiteError
    from instrerank.jobs.attack import attack
    from instrerank.jobs.attack_passages import attack_passages
    from instrerank.jobs.constrain import constrain
    from instrerank.jobs.encode import EncodedShard, encode
    from instrerank.jobs.evaluate import compare, compare_instructions, evaluate
    from instrerank.jobs.export import export
    from instrerank.jobs.index import build_index
    from instrerank.jobs.models import load_encoder, load_scorer
    from instrerank.jobs.perturb import perturb
    from instrerank.jobs.probe import probe
    from instrerank.jobs.promote import promote
    from instrerank.jobs.rerank import Reranked, rerank
    from instrerank.jobs.search import Searched, search
    from instrerank.jobs.train import train
    from instrerank.jobs.train_vectors import train_vectors
    from instrerank.perturbations import Perturbation, QuerySet
    from instrerank.reranking import InstructionReranker, RerankingSearcher
    from instrerank.study import StudyResult, run_study
    from instrerank.trec import Passage, Qrels, Run, ScoredDoc, Topic, write_run

_HOMES = {
    "collections": ("load_instructions", "load_qrels", "load_run", "load_topics", "open_passages"),
    "encoders": ("EncoderProfile", "LoadOptions"),
    "errors": ("InputError", "InstrerankError", "MissingPrerequisiteError"),
    "jobs.attack": ("attack",),
    "jobs.attack_passages": ("attack_passages",),
    "jobs.constrain": ("constrain",),
    "jobs.encode": ("EncodedShard", "encode"),
    "jobs.evaluate": ("compare", "compare_instructions", "evaluate"),
    "jobs.export": ("export",),
    "jobs.index": ("build_index",),
    "jobs.models": ("load_encoder", "load_scorer"),
    "jobs.perturb": ("perturb",),
    "jobs.probe": ("probe",),
    "jobs.promote": ("promote",),
    "jobs.rerank": ("Reranked", "rerank"),
    "jobs.search": ("Searched", "search"),
    "jobs.train": ("train",),
    "jobs.train_vectors": ("train_vectors",),
    "perturbations": ("Perturbation", "QuerySet"),
    "reranking": ("InstructionReranker", "RerankingSearcher"),
    "study": ("StudyResult", "run_study"),
    "trec": ("Passage", "Qrels", "Run", "ScoredDoc", "Topic", "write_run"),
}
"""The public names by the module that has them."""

_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "EncodedShard",
    "EncoderProfile",
    "InputError",
    "InstrerankError",
    "InstructionReranker",
    "LoadOptions",
    "MissingPrerequisiteError",
    "Passage",
    "Perturbation",
    "Qrels",
    "QuerySet",
    "Reranked",
    "RerankingSearcher",
    "Run",
    "ScoredDoc",
    "Searched",
    "StudyResult",
    "Topic",
    "__version__",
    "attack",
    "attack_passages",
    "build_index",
    "compare",
    "compare_instructions",
    "constrain",
    "encode",
    "evaluate",
    "export",
    "load_encoder",
    "load_instructions",
    "load_qrels",
    "load_run",
    "load_scorer",
    "load_topics",
    "open_passages",
    "perturb",
    "probe",
    "promote",
    "rerank",
    "run_study",
    "search",
    "train",
    "train_vectors",
    "write_run",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import instrerank` alone is cheap and silent."""
    if name not in _HOME:
        raise AttributeError(f"module 'instrerank' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"instrerank.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List exactly the public names."""
    return sorted(__all__)
