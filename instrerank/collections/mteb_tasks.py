"""mteb's retrieval tasks by name, and what its metadata say of them, without their data.

A name is `mteb:TASK[/SUBSET][/SPLIT][:changed]`, such as `mteb:SciFact`, `mteb:mFollowIR/fas` or
`mteb:Core17InstructionRetrieval:changed`. A subset or split is needed only where a task has several.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from instrerank.errors import InputError, MissingPrerequisiteError, pip_install
from instrerank.evaluation.instructions import Kind

if TYPE_CHECKING:
    from mteb.abstasks import AbsTaskRetrieval

PREFIX = "mteb:"

TYPES = ("Retrieval", "Reranking", "InstructionRetrieval", "InstructionReranking")
"""The types of mteb's tasks that have queries, passages and judgements."""


def mteb_settings(name: str) -> dict[str, Any]:
    """Return the settings of a study over a task, from its metadata; errors as for `mteb_topics`, but for its data."""
    task, subset, split, _ = find_task(name)
    settings: dict[str, Any] = dict.fromkeys(("topics", "qrels", "corpus"), name)
    facts = task_facts(task, subset, split)
    if facts.instructions:
        settings["instructions"] = name
    if facts.changed:
        settings |= dict.fromkeys(("changed_instructions", "changed_qrels"), f"{name}:changed")
    if facts.reranking:
        settings |= {"run": name} | ({"hits": facts.candidates} if facts.candidates else {})
    return settings


class Facts(NamedTuple):
    """What mteb's metadata say of one subset and split of a task.

    Attributes:
        instructions: whether its topics have instructions.
        changed: whether they have changed instructions and qrels, as FollowIR's.
        topics: number of topics; None if unknown.
        passages: number of passages; None if unknown.
        reranking: whether its topics have candidates; otherwise the whole corpus is ranked, for BRIGHT without
            documents excluded for a topic.
        candidates: largest number of candidates of a topic; None if unknown, or without candidates.
    """

    instructions: bool
    changed: bool
    topics: int | None
    passages: int | None
    reranking: bool
    candidates: int | None


def task_facts(task: AbsTaskRetrieval, subset: str, split: str) -> Facts:
    """Return what mteb's metadata say of a task, without its data."""
    # as Any: the fields of these statistics depend on the type of the task
    statistics: Any = (task.metadata.descriptive_stats or {}).get(split) or {}
    statistics = (statistics.get("hf_subset_descriptive_stats") or {}).get(subset, statistics)
    reranking, changed = "Reranking" in task.metadata.type, task.metadata.type == "InstructionReranking"
    queries = statistics.get("num_queries") or _texts(statistics.get("queries_text_statistics"))
    return Facts(
        task.metadata.type.startswith("Instruction"),
        changed,
        # FollowIR's topics count once for each kind of instruction
        queries // 2 if queries and changed else queries,
        statistics.get("num_documents") or _texts(statistics.get("documents_text_statistics")),
        reranking,
        (statistics.get("top_ranked_statistics") or {}).get("max_top_ranked_per_query") if reranking else None,
    )


def _texts(lengths: Mapping[str, Any] | None) -> int | None:
    """Return the number of texts from the statistics of their lengths."""
    return round(lengths["total_text_length"] / lengths["average_text_length"]) if lengths else None


def retrieval_tasks() -> dict[str, AbsTaskRetrieval]:
    """Return mteb's tasks over text with queries, passages and judgements, by name, without loading their data.

    Raises:
        MissingPrerequisiteError: mteb is not installed.
    """
    found = import_mteb(PREFIX).get_tasks(
        task_types=list(TYPES),
        modalities=["text"],
        exclusive_modality_filter=True,
        exclude_superseded=False,
        exclude_aggregate=True,
        exclude_private=False,
        exclude_beta=False,
    )
    return {task.metadata.name: task for task in sorted(found, key=lambda task: str(task.metadata.name).lower())}


def task_name(name: str) -> str:
    """Return the task in a name, which need not exist."""
    return name.removeprefix(PREFIX).partition(":")[0].partition("/")[0]


def find_task(name: str) -> tuple[AbsTaskRetrieval, str, str, Kind]:
    """Return the task, subset, split and kind of instructions that a name refers to.

    Raises:
        InputError: an unknown task, or one without text retrieval; an unknown or missing subset or split.
        MissingPrerequisiteError: mteb is not installed.
    """
    path, colon, kind = name.removeprefix(PREFIX).partition(":")
    if colon and kind not in get_args(Kind):
        raise InputError(f"{name}: only {' or '.join(get_args(Kind))} can follow the task after a colon, got {kind!r}")
    task_name, *parts = path.split("/")
    task = _task(name, task_name)
    return task, *_subset_and_split(name, task, parts), "changed" if kind == "changed" else "original"


def _task(name: str, task_name: str) -> AbsTaskRetrieval:
    mteb = import_mteb(name)
    from mteb.abstasks import AbsTaskRetrieval

    try:
        task = mteb.get_task(task_name)
    except KeyError as error:
        near = nearest_tasks(task_name)
        raise InputError(
            f"{name}: mteb has no task of that name{' (nearest: ' + ', '.join(near) + ')' if near else ''}; "
            "instrerank collections lists all"
        ) from error
    parts = getattr(task.metadata, "tasks", None)
    if parts:
        names = [part.metadata.name for part in task.metadata.tasks]
        raise InputError(f"{name} is the mean of several tasks; give one of {', '.join(names)}")
    if not isinstance(task, AbsTaskRetrieval) or task.metadata.modalities != ["text"]:
        raise InputError(
            f"{name} is a task of type {task.metadata.type} over {' and '.join(task.metadata.modalities)}; expected "
            f"one over text of type {', '.join(TYPES)} (instrerank collections lists them)"
        )
    return task


def nearest_tasks(wanted: str) -> list[str]:
    """Return the names of up to three tasks like a name: those that contain it, that share words, or that are similar.

    Raises:
        MissingPrerequisiteError: mteb is not installed.
    """
    known = {each.lower(): each for each in retrieval_tasks()}
    wanted = wanted.lower()
    alike = [each for each in known if wanted and wanted in each]
    shared: dict[str, float] = {}
    for word in re.findall(r"\w{4,}", wanted):
        names = [each for each in known if word in each]
        # a word of few names says more, and more at their start
        for each in names:
            shared[each] = shared.get(each, 0) + 1 / len(names) + 0.1 * each.startswith(word)
    alike += sorted(shared, key=shared.__getitem__, reverse=True)
    alike += difflib.get_close_matches(wanted, list(known), n=3, cutoff=0.4)
    return [known[each] for each in list(dict.fromkeys(alike))[:3]]


def _subset_and_split(name: str, task: AbsTaskRetrieval, parts: list[str]) -> tuple[str, str]:
    """Return the subset and the split that the parts of a name after the task refer to."""
    left, chosen = list(parts), []
    for what, available in (("subset", list(task.hf_subsets)), ("split", list(task.eval_splits))):
        given = next((part for part in left if part in available), None)
        if given is not None:
            left.remove(given)
        elif len(available) > 1:
            place = f"{PREFIX}{task.metadata.name}/{what.upper()}"
            raise InputError(f"{name}: the task has several {what}s: give {place}, one of {', '.join(available)}")
        chosen.append(given or available[0])
    if left:
        raise InputError(
            f"{name}: no subset or split {', '.join(left)}. Subsets: {', '.join(task.hf_subsets)}; "
            f"splits: {', '.join(task.eval_splits)}"
        )
    return chosen[0], chosen[1]


def import_mteb(name: str) -> Any:
    """Return the module mteb, which `name` needs.

    Raises:
        MissingPrerequisiteError: mteb is not installed.
    """
    try:
        import mteb
    except ImportError as error:
        raise MissingPrerequisiteError(f"{name} needs mteb, which is not installed: {pip_install('mteb')}") from error
    return mteb
