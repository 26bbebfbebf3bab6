"""The command that makes one run of a study again, to be given in the study's folder."""

from __future__ import annotations

from pathlib import Path

from instrerank.study.plan import Cell, Plan
from instrerank.study.query_files import query_files


def search_command(plan: Plan, cell: Cell, index: str) -> list[str]:
    """Return the `search` that makes a first-stage run."""
    configuration = plan.configuration
    flags = {
        "--index": _from_anywhere(index),
        "--topics": query_files(plan, cell)[0],
        "--hits": configuration.search_hits,
        "--k1": configuration.k1,
        "--b": configuration.b,
        "--output": cell.path(configuration),
    }
    return _command("search", flags)


def rerank_command(plan: Plan, cell: Cell) -> list[str]:
    """Return the `rerank` that makes a reranked run."""
    configuration, choice = plan.configuration, cell.encoder
    if choice is None:
        raise ValueError("the first stage is searched, not reranked")
    topics, instructions = query_files(plan, cell)
    passages = ("--corpus", configuration.corpus) if configuration.corpus else ("--index", configuration.index)
    flags = {
        "--run": plan.first_stage_path(cell),
        "--topics": topics,
        passages[0]: _from_anywhere(str(passages[1])),
        "--encoder": _from_anywhere(choice.encoder),
        "--encoder-kind": choice.kind,
        "--instructions": instructions,
        "--hits": configuration.hits,
        "--fusion": choice.fusion,
        "--alpha": choice.alpha,
        "--rrf.k": choice.rrf_k,
        "--max-passage": choice.max_passage,
        "--max-passage-length": choice.max_passage_length,
        "--max-passage-stride": choice.max_passage_stride,
        **{f"--{name.replace('_', '-')}": value for name, value in choice.options.items()},
        "--missing": "skip",
        "--runtag": "-".join(cell.system),
        "--output": cell.path(configuration),
    }
    return _command("rerank", flags)


def _command(verb: str, flags: dict[str, object]) -> list[str]:
    words = ["instrerank", verb]
    for flag, value in flags.items():
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            words += [flag, str(value)]
    return words


def _from_anywhere(source: str) -> str:
    """Return a path as an absolute one, a name as it is."""
    return str(Path(source).absolute()) if Path(source).exists() else source
