"""The settings, inputs and output files that all attacks on encoders have in common."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from instrerank.collections import MissingPolicy, instructed_topics, load_qrels, load_run, open_passages
from instrerank.collections.loaded import is_name
from instrerank.encoders import Encoder
from instrerank.encoders.late_interaction import LateInteraction
from instrerank.encoders.options import LoadOptions
from instrerank.errors import InputError
from instrerank.files import parse_json, read_lines, whole_file
from instrerank.jobs.described import described_instructions, described_source, described_texts, name_of
from instrerank.jobs.outputs import check_output, staged
from instrerank.jobs.perturb import source_of
from instrerank.jobs.rerank import load_flags
from instrerank.jobs.sidecar import configuration
from instrerank.perturbations.attack import Target, rows_of
from instrerank.perturbations.querysets import check_source, check_topics
from instrerank.trec import Qrels, Run, Topic
from instrerank.trec.problems import counted, listed

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class VictimSettings:
    """Settings that all attacks have in common.

    Attributes:
        topics: as `instrerank.load_topics` takes them.
        run: the first stage, whose candidates are ranked, as `instrerank.load_run` takes it.
        encoder: encoder to attack: name, Hugging Face id or folder of a bi-encoder, or a loaded one.
        corpus: passages, as `instrerank.open_passages` takes them.
        index: Lucene index that stores its passages, as an alternative to `corpus`.
        instructions: instructions by qid; None: each topic's own instruction.
        missing: "error"; or "skip" to keep topics that have no instruction in `instructions` without one.
        limit: attack only the first `limit` topics; None: all.
        load: how to load the encoder.
        hits: number of candidates per topic to rank.
        qrels: as `instrerank.load_qrels` takes them; only some attacks need them.
        relevance_level: minimum grade that counts as relevant.
        seed: random seed.
        source: name of the topics in file names; None: taken from `topics`.
        output: folder to write to; None: write nothing.
        overwrite: replace existing files made with other settings or inputs.
        progress: show progress bars.
    """

    topics: Any
    run: Any
    encoder: Any
    corpus: Any = None
    index: str | Path | None = None
    instructions: Any = None
    missing: MissingPolicy = "error"
    limit: int | None = None
    load: LoadOptions = field(default_factory=LoadOptions)
    hits: int = 100
    qrels: Any = None
    relevance_level: int = 1
    seed: int = 1
    source: str | None = None
    output: str | Path | None = None
    overwrite: bool = False
    progress: bool = False

    def __post_init__(self) -> None:
        """Check that the settings are valid and compatible.

        Raises:
            InputError: invalid settings; the message names the parameter, its value and what is allowed.
        """
        if (self.corpus is None) == (self.index is None):
            raise InputError("give passages by either `corpus` or `index`, not both")
        if self.hits < 1:
            raise InputError(f"`hits` must be at least 1, got {self.hits}")
        check_source(self.source)

    @property
    def source_name(self) -> str:
        """The name of the topics in file names."""
        return self.source or source_of(self.topics)

    def inputs(self) -> dict[str, Any]:
        """Return the inputs by parameter, for the checks of the output."""
        names = ("topics", "run", "corpus", "index", "instructions", "qrels", "encoder")
        return {name: getattr(self, name) for name in names}

    def flags(self) -> dict[str, object]:
        """Return the equivalent flags of the verb, for the recorded command."""
        named = {name: getattr(self, name) for name in ("run", "topics", "corpus", "encoder", "instructions", "qrels")}
        return {
            **{f"--{name}": None if value is None else name_of(value) for name, value in named.items()},
            "--index": self.index,
            "--missing": None if self.missing == "error" else self.missing,
            "--limit": self.limit,
            "--hits": self.hits,
            "-l": self.relevance_level,
            "--seed": self.seed,
            "--source": self.source,
            **load_flags(self.load),
            "--output": self.output,
        }


class Victim(NamedTuple):
    """The inputs of an attack, with the encoder loaded, before anything is encoded.

    Attributes:
        topics: the topics with their instructions.
        candidates: the first `hits` candidates of these topics.
        texts: passage text of all candidates by docid.
        qrels: the qrels; empty if none were given.
        encoder: the loaded encoder.
        data: record of topics, passages, instructions and so on.
    """

    topics: list[Topic]
    candidates: Run
    texts: Mapping[str, str]
    qrels: Qrels
    encoder: Encoder | LateInteraction
    data: dict[str, Any]

    def targets(self, *, progress: bool = False) -> list[Target]:
        """Encode each candidate passage once, and return the targets of the attack."""
        vectors = self.encoder.encode_passages(list(self.texts.values()), progress=progress).vectors
        row = {docid: number for number, docid in enumerate(self.texts)}
        docids = {qid: [hit.docid for hit in ranking] for qid, ranking in self.candidates.rankings.items()}
        return [
            Target(topic, docids[topic.qid], rows_of(vectors, [row[docid] for docid in docids[topic.qid]]))
            for topic in self.topics
        ]


def read_victim(settings: VictimSettings) -> Victim:
    """Read topics, candidates and passages, and load the encoder.

    Raises:
        InputError: bad input, topics without candidates, or candidates without text.
        MissingPrerequisiteError: a model, a package or Java is not available here.
    """
    from instrerank.jobs import models

    topics = instructed_topics(settings.topics, settings.instructions, missing=settings.missing, limit=settings.limit)
    check_topics(topics)
    first_stage = load_run(settings.run, keep_first_duplicate=True)
    without = [topic.qid for topic in topics if not first_stage.rankings.get(topic.qid)]
    if without:
        raise InputError(
            f"{name_of(settings.run)} has no candidates for {counted(len(without), 'topic')}: {listed(without)}"
        )
    rankings = {topic.qid: first_stage.rankings[topic.qid][: settings.hits] for topic in topics}
    docids = list(dict.fromkeys(hit.docid for ranking in rankings.values() for hit in ranking))
    source: Any = settings.corpus if settings.corpus is not None else settings.index
    texts = open_passages(source).lookup(docids)
    textless = [docid for docid in docids if not texts.get(docid, "").strip()]
    if textless:
        raise InputError(
            f"{name_of(source)} has no text for {counted(len(textless), 'candidate')}: {listed(textless)}"
        )
    qrels = {} if settings.qrels is None else load_qrels(settings.qrels)
    encoder = settings.encoder
    if is_name(encoder):
        encoder = models.load_text_encoder(encoder, settings.load)
    log.debug(f"{encoder.name}, {encoder.dtype} on {encoder.device}: {encoder.profile}")
    data: dict[str, Any] = {
        "topics": described_source(settings.topics, topics),
        "candidates": described_source(settings.run, first_stage) | {"hits": settings.hits},
        "passages": described_texts(source, texts),
        "instructions": described_instructions(settings.instructions, None, topics),
        "qrels": {"source": "none"} if settings.qrels is None else described_source(settings.qrels, qrels),
        "encoder": encoder.describe(),
    }
    if settings.limit is not None:
        data["topics"]["limit"] = settings.limit
    return Victim(topics, Run(first_stage.tag, rankings), texts, qrels, encoder, data)


class AttackFiles:
    """The files of an attack: checked before the search, written when it is done."""

    def __init__(self, settings: VictimSettings, names: Sequence[str], record: str) -> None:
        """Take the names of the files, one of which is the `record` of how they were made."""
        self.folder = None if settings.output is None else Path(settings.output)
        self.settings, self.names, self.record = settings, names, record

    def check(self, *, create: bool = True) -> None:
        """Check that the files can be written and are not inputs.

        Raises:
            InputError: a file cannot be written, or is an input.
        """
        for name in self.names if self.folder is not None else ():
            check_output(Path(self.folder or "", name), self.settings.inputs(), create=create)

    def settle(self, made_by: Mapping[str, Any]) -> str:
        """Return the configuration of the attack; files of another configuration are replaced only with `overwrite`.

        Args:
            made_by: everything that determines the files.

        Raises:
            InputError: the files exist and were made with other settings, other inputs or another version.
        """
        wanted = configuration(self.record, [], made_by)
        if self.folder is None or self.settings.overwrite:
            return wanted
        present = [self.folder / name for name in self.names if (self.folder / name).exists()]
        if present and self._recorded() != wanted:
            raise InputError(
                f"{present[0]} exists and was made with other settings or inputs (see {self.record}): "
                f"choose another `output`, or replace it with `overwrite`"
            )
        return wanted

    def _recorded(self) -> str | None:
        try:
            _, line = next(read_lines(Path(self.folder or "", self.record)))
            return str(parse_json(line, self.record)["configuration"])
        except (InputError, StopIteration, KeyError, TypeError):
            return None

    @contextmanager
    def written(self, record: Mapping[str, Any]) -> Iterator[Path | None]:
        """Yield a folder to write the files into; they appear with their record, all of them or none.

        The same configuration gives the same files, so those that `settle` accepted may be replaced. Yields None if
        there is no `output`.
        """
        if self.folder is None:
            yield None
            return
        with staged(self.folder, self.settings.inputs(), overwrite=True) as folder:
            yield folder
            with whole_file(folder / self.record) as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
