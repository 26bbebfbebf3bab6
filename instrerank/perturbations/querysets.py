"""Query sets: one perturbation with one seed applied to all topics, and its files."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instrerank.errors import InputError
from instrerank.files import whole_file
from instrerank.perturbations.base import Perturbation, Perturbed, generator
from instrerank.perturbations.compositions import Composition
from instrerank.trec import write_topics
from instrerank.trec.problems import listed
from instrerank.trec.types import Topic
from instrerank.version import __version__

FORMATS = ("tsv", "jsonl")


@dataclass(frozen=True)
class QuerySet:
    """Clean or perturbed topics, with the same qids in the same order as their source.

    Attributes:
        name: `<source>.<perturbation>.s<seed>`, as in the names of files and runs.
        perturbed: the topics with their originals and edits.
        provenance: how it was made: source, perturbation, family, expectation, seed, version, counts.
    """

    name: str
    perturbed: tuple[Perturbed, ...]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        changed = sum(one.changed for one in self.perturbed)
        return f"QuerySet({self.name!r}, {len(self.perturbed)} topics, {changed} changed)"

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The perturbed topics, as used for search."""
        return tuple(perturbed.topic for perturbed in self.perturbed)


def perturb(topics: Sequence[Topic], perturbation: Perturbation, seed: int) -> Iterator[Perturbed]:
    """Yield each topic perturbed, in order.

    The result for a topic depends neither on the order nor on the other topics, except for perturbations
    `over_topics`, which use the other topics.

    Raises:
            InputError: no topics, a duplicate qid, or an empty query.
    """
    check_topics(topics)
    apply = perturbation.for_topics(topics, seed)
    for topic in topics:
        yield apply(topic, generator(seed, perturbation.name, topic.qid))


def check_topics(topics: Sequence[Topic]) -> None:
    """Reject topics that cannot be perturbed or judged.

    Raises:
        InputError: no topics, a duplicate qid, or an empty query.
    """
    if not topics:
        raise InputError("no topics to perturb")
    duplicates = [qid for qid, count in Counter(topic.qid for topic in topics).items() if count > 1]
    if duplicates:
        raise InputError(f"duplicate qids: {listed(duplicates)}; qids must be unique to match the qrels")
    empty = [topic.qid for topic in topics if not topic.text.strip()]
    if empty:
        raise InputError(f"empty queries: {listed(empty)}; give them a text or remove them")


def query_set(topics: Sequence[Topic], perturbation: Perturbation, seed: int, source: str = "topics") -> QuerySet:
    """Make the query set for one perturbation and seed.

    Args:
        topics: the clean topics.
        perturbation: a perturbation, as returned by `resolve`.
        seed: seed of the draw.
        source: name of the topics, which becomes part of the set's name (`source_name` derives one from a path).

    Raises:
        InputError: as `perturb`.
    """
    perturbed = tuple(perturb(topics, perturbation, seed))
    provenance: dict[str, Any] = {
        "source": source,
        "perturbation": perturbation.name,
        **({"parts": [part.name for part in perturbation.parts]} if isinstance(perturbation, Composition) else {}),
        "family": perturbation.family,
        "expects": perturbation.expects,
        "changes": perturbation.changes,
        "needs_review": perturbation.needs_review,
        "seed": seed,
        "instrerank": __version__,
        "topics": len(perturbed),
        "changed": sum(one.changed for one in perturbed),
        "without_instruction": sum(not topic.instruction for topic in topics),
    }
    reasons = Counter(one.reason for one in perturbed if one.reason)
    if reasons:
        provenance["rejected"] = dict(sorted(reasons.items()))
    if perturbation.details is not None:
        provenance |= perturbation.details()
    return QuerySet(f"{source}.{perturbation.name}.s{seed}", perturbed, provenance)


def source_name(topics: str | Path) -> str:
    """Return the name of topics as one field of a file name, without dots or whitespace.

    `topics.dl19.tsv` and `dl19/topics.tsv` are `dl19`; `irds:a/b` and `mteb:a/b` are `a-b`.
    """
    if str(topics).startswith(("irds:", "mteb:")):
        name = str(topics).partition(":")[2]
    else:
        path = Path(topics).absolute()
        name = re.sub(r"(\.(gz|tsv|txt|jsonl|json|trec))+$", "", path.name).removeprefix("topics.")
        if name == "topics":
            name = path.parent.name
    return re.sub(r"[^\w-]+", "-", name).strip("-") or "topics"


def check_source(source: str | None) -> None:
    """Reject a name of topics that is not one field of a file name; None is allowed.

    Raises:
        InputError: it contains a dot, whitespace, a slash or similar.
    """
    if source is not None and not re.fullmatch(r"[\w-]+", source):
        raise InputError(f"`source` may contain only letters, digits, _ and -, got {source!r}")


def check_formats(formats: Sequence[str]) -> None:
    """Reject formats of query sets other than `FORMATS`.

    Raises:
        InputError: an unknown format, or no format.
    """
    unknown = [each for each in formats if each not in FORMATS]
    if unknown or not formats:
        raise InputError(f"unknown format {', '.join(unknown) or '(none)'}. Available: {', '.join(FORMATS)}")


def write_query_set(folder: str | Path, queries: QuerySet, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write `topics.<name>.tsv` and `.jsonl` (with original, changed and edits) and return their paths.

    Raises:
        InputError: an unknown format, a folder that cannot be written to, or a text that TSV cannot represent.
    """
    check_formats(formats)
    paths = []
    for suffix in formats:
        path = Path(folder) / f"topics.{queries.name}.{suffix}"
        if suffix == "tsv":
            write_topics(path, queries.topics)
        else:
            with whole_file(path) as file:
                file.writelines(json.dumps(_record(one), ensure_ascii=False) + "\n" for one in queries.perturbed)
        paths.append(path)
    return paths


def _record(perturbed: Perturbed) -> dict[str, Any]:
    topic, original = perturbed.topic, perturbed.original
    record: dict[str, Any] = {"qid": topic.qid, "text": topic.text}
    if topic.instruction:
        record["instruction"] = topic.instruction
    record["original"] = original.text
    if original.instruction:
        record["original_instruction"] = original.instruction
    record["changed"] = perturbed.changed
    if perturbed.reason:
        record["reason"] = perturbed.reason
    record["edits"] = [
        {name: value for name, value in edit._asdict().items() if (name, value) != ("field", "text")}
        for edit in perturbed.edits
    ]
    return record
