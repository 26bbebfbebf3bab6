"""The cells of a study: mode × encoder × instruction condition × query set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrerank.collections import load_instructions, load_qrels, load_run, load_topics
from instrerank.errors import InputError
from instrerank.evaluation.measures import evaluate, relevance_level_note
from instrerank.perturbations import Perturbation, query_set, resolve, resolve_all
from instrerank.perturbations.llm import LanguageModel
from instrerank.perturbations.querysets import QuerySet
from instrerank.study.configuration import FIRST_STAGE, Configuration, EncoderChoice, Mode, System
from instrerank.trec import Qrels, Run, ScoredDoc, Topic
from instrerank.trec.problems import counted, listed
from instrerank.trec.runs import run_name

CLEAN = "clean"

TOPICS = "topics"
"""Folder of the query sets within that of a study."""


@dataclass(frozen=True, eq=False)
class Variation:
    """A query set of a study: the clean topics, or one draw of a perturbation.

    Attributes:
        perturbation: None for the clean topics.
        seed: the draw.
        queries: the perturbed topics.
    """

    perturbation: Perturbation | None = None
    seed: int | None = None
    queries: QuerySet | None = None

    def __repr__(self) -> str:
        return f"Variation({self.label!r}, {len(self.changed)} changed queries)"

    @property
    def name(self) -> str:
        """The perturbation's name, or `clean`."""
        return self.perturbation.name if self.perturbation else CLEAN

    @property
    def label(self) -> str:
        """Name in files: `clean`, `typo-mixed.s1`."""
        return f"{self.name}.s{self.seed}" if self.perturbation else CLEAN

    @property
    def family(self) -> str | None:
        """The perturbation's family, None for the clean topics."""
        return self.perturbation.family if self.perturbation else None

    @property
    def expects(self) -> str | None:
        """The expected effect of the perturbation, None for the clean topics."""
        return self.perturbation.expects if self.perturbation else None

    @property
    def of_instruction(self) -> bool:
        """Whether the perturbation changes the instruction."""
        return self.perturbation is not None and self.perturbation.changes == "instruction"

    @property
    def of_query(self) -> bool:
        """Whether the first stage searches with these queries: they are clean, or a perturbation of the query."""
        return self.perturbation is None or "text" in self.perturbation.fields

    @property
    def changed(self) -> frozenset[str]:
        """The qids whose text or instruction differs from the clean one."""
        perturbed = self.queries.perturbed if self.queries else ()
        return frozenset(each.topic.qid for each in perturbed if each.changed)


@dataclass(frozen=True, eq=False)
class Cell:
    """One run of a study.

    Attributes:
        mode: where its candidates come from.
        encoder: that reranks them; None: the first stage itself.
        condition: of the instruction.
        variation: the query set.
    """

    mode: Mode
    encoder: EncoderChoice | None
    condition: str
    variation: Variation

    def __repr__(self) -> str:
        return f"Cell({self.mode!r}, {str(self.system)!r}, {self.variation.label!r})"

    @property
    def system(self) -> System:
        """The encoder's name and the condition."""
        return System(self.encoder.name if self.encoder else FIRST_STAGE, self.condition)

    def path(self, configuration: Configuration) -> Path:
        """Return the path of the run within the study's folder."""
        encoder = self.encoder.name if self.encoder else "none"
        name = run_name(configuration.name, FIRST_STAGE, encoder, self.condition, self.variation.label)
        return Path("runs", self.mode, name)


@dataclass(frozen=True)
class Plan:
    """A study before it runs.

    Attributes:
        configuration: of the study.
        topics: the judged topics, without instructions.
        qrels: the judgements.
        changed_qrels: the judgements under the changed instructions, or None.
        instructions: by condition and qid, the instructions.
        variations: the query sets, the clean one first.
        cells: the runs in order: first stage, then encoder by encoder.
        depth: largest number of candidates of a clean topic that are reranked; recall at this depth cannot change.
        notes: what a reader of the results should know about the topics, in sentences.
    """

    configuration: Configuration
    topics: list[Topic]
    qrels: Qrels
    changed_qrels: Qrels | None
    instructions: dict[str, dict[str, str]]
    variations: list[Variation]
    cells: list[Cell]
    depth: int
    notes: list[str]

    def __repr__(self) -> str:
        systems = dict.fromkeys(str(cell.system) for cell in self.cells)
        return (
            f"Plan({self.configuration.name!r}, systems={list(systems)}, topics={len(self.topics)}, "
            f"variations={len(self.variations)}, cells={len(self.cells)}, depth={self.depth})"
        )

    def topics_of(self, condition: str, variation: Variation) -> list[Topic]:
        """Return the topics of a cell, with their instructions."""
        topics: Sequence[Topic] = variation.queries.topics if variation.queries else self.topics
        if variation.of_instruction:
            return list(topics)
        # the first stage is under `none`, which need not be a condition of the study
        instructions = self.instructions.get(condition, {})
        return [topic._replace(instruction=instructions.get(topic.qid, "")) for topic in topics]

    def first_stage_path(self, cell: Cell) -> Path:
        """Return the path of the first-stage run that a cell reranks, within the study's folder."""
        clean = cell.mode == "fixed" or not cell.variation.of_query
        variation = self.variations[0] if clean else cell.variation
        return Cell(cell.mode, None, "none", variation).path(self.configuration)


def make_plan(configuration: Configuration, folder: Path | None = None, *, ask: bool = True) -> Plan:
    """Load the topics, make the query sets and list the cells.

    Args:
        configuration: of the study.
        folder: of the study, where the answers of a language model are recorded; None: keep them in memory.
        ask: False: do not ask the language model, but note how much it would be asked.

    Raises:
        InputError: bad topics, qrels or instructions; a run of other topics; an unknown perturbation or measure; a
            condition whose instructions are missing.
        MissingPrerequisiteError: a language model does not answer.
    """
    qrels = load_qrels(configuration.qrels)
    loaded = load_topics(configuration.topics)
    judged = [topic for topic in loaded if topic.qid in qrels]
    if not judged:
        raise InputError(
            f"no topic of {configuration.topics} is judged in {configuration.qrels}: do they belong together?"
        )
    _check_measures(configuration, qrels, judged[0].qid)
    notes = []
    if len(judged) < len(loaded):
        notes.append(f"{len(loaded) - len(judged)} of {len(loaded)} topics have no judgements and are excluded")
    absent = [qid for qid in qrels if qid not in {topic.qid for topic in judged}]
    if absent:
        notes.append(
            f"{len(absent)} of {len(qrels)} judged topics are not in the topics and score 0: {listed(absent)}"
        )
    if note := relevance_level_note(qrels, configuration.relevance_level, configuration.measures):
        notes.append(note)
    depth = min(configuration.hits, _first_stage_depth(configuration, judged))
    if depth < configuration.hits:
        notes.append(
            f"the first stage has at most {counted(depth, 'candidate')} per topic, fewer than hits "
            f"({configuration.hits})"
        )
    if len(qrels) == 1:
        notes.append("only one judged topic: no intervals, no significance tests")
    topics = [topic._replace(instruction="") for topic in judged]
    resources: dict[str, Any] = {}
    if configuration.language_model is not None:
        model = LanguageModel(configuration.language_model, folder and folder / TOPICS, ask=ask)
        resources["language_model"] = model
    instructions = _instructions(configuration, judged, resources)
    variations = [Variation(), *_variations(configuration, topics, instructions.get("own", {}), resources)]
    notes += _variant_notes(configuration, variations)
    if resources and model.unasked:
        notes.append(f"{model!r} would be asked for {counted(model.unasked, 'answer')}")
    changed_qrels = load_qrels(configuration.changed_qrels) if configuration.changed_qrels else None
    cells = _cells(configuration, list(instructions), variations)
    systems = dict.fromkeys(cell.system for cell in cells)
    for system in [system for pair in configuration.system_pairs or () for system in pair]:
        if system not in systems:
            raise InputError(f"pairs: unknown system {system}. Available: {', '.join(map(str, systems))}")
    return Plan(configuration, topics, qrels, changed_qrels, instructions, variations, cells, depth, notes)


def _check_measures(configuration: Configuration, qrels: Qrels, qid: str) -> None:
    """Refuse a measure that these judgements do not allow, before any work, by scoring one document."""
    run = Run("check", {qid: [ScoredDoc(next(iter(qrels[qid])), 1.0)]})
    evaluate(run, qrels, configuration.measures, relevance_level=configuration.relevance_level)


def _first_stage_depth(configuration: Configuration, topics: Sequence[Topic]) -> int:
    """Return the largest number of candidates that the first stage has for a clean topic."""
    if not configuration.run:
        return configuration.search_hits
    rankings = load_run(configuration.run, keep_first_duplicate=True).rankings
    depth = max((len(rankings.get(topic.qid, ())) for topic in topics), default=0)
    if not depth:
        raise InputError(
            f"{configuration.run} has none of the {len(topics)} judged topics: is it a run of other topics?"
        )
    return depth


def _variant_notes(configuration: Configuration, variations: Sequence[Variation]) -> list[str]:
    """Return how many variants of a language model were rejected, and whether their filter is under test."""
    notes = []
    for variation in variations:
        rejected = variation.queries.provenance.get("rejected", {}) if variation.queries else {}
        if rejected:
            reasons = ", ".join(f"{reason} {count}" for reason, count in rejected.items())
            notes.append(f"{variation.label}: {counted(sum(rejected.values()), 'variant')} rejected ({reasons})")
    options = configuration.language_model
    if options and options.meaning_encoder in {choice.encoder for choice in configuration.encoders}:
        notes.append(
            f"variants of the language model were accepted by {options.meaning_encoder}, which is also under test and "
            f"may look more robust than it is: set another meaning_encoder"
        )
    return notes


def _instructions(
    configuration: Configuration, topics: Sequence[Topic], resources: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    """Return the instructions of each condition, by qid."""
    own = {topic.qid: topic.instruction for topic in topics if topic.instruction}
    if configuration.instructions:
        own = load_instructions(configuration.instructions)
    with_own = [topic._replace(instruction=own.get(topic.qid, "")) for topic in topics]
    found: dict[str, dict[str, str]] = {}
    for condition in configuration.conditions:
        if condition == "none":
            found[condition] = {}
        elif condition == "own":
            found[condition] = _complete(own, topics, configuration.instructions or configuration.topics)
        else:
            perturbation = resolve(condition, **resources)
            if perturbation.fields != {"instruction"}:
                raise InputError(
                    f"condition {condition} changes the query, not the instruction: move it to perturbations"
                )
            queries = query_set(with_own, perturbation, configuration.seeds[0])
            found[perturbation.name] = {topic.qid: topic.instruction for topic in queries.topics if topic.instruction}
            if perturbation.name != "instruction-none":
                _complete(found[perturbation.name], topics, f"condition {condition}")
    if configuration.changed_instructions:
        source = configuration.changed_instructions
        found["changed"] = _complete(load_instructions(source), topics, source)
    return found


def _complete(instructions: dict[str, str], topics: Sequence[Topic], source: str) -> dict[str, str]:
    absent = [topic.qid for topic in topics if not instructions.get(topic.qid)]
    if absent:
        raise InputError(
            f"{source}: no instruction for {len(absent)} of {len(topics)} judged topics: {listed(absent)}"
        )
    return instructions


def _variations(
    configuration: Configuration, topics: Sequence[Topic], own: dict[str, str], resources: Mapping[str, Any]
) -> list[Variation]:
    with_own = [topic._replace(instruction=own.get(topic.qid, "")) for topic in topics]
    made = []
    for perturbation in resolve_all(configuration.perturbations, **resources):
        of_instruction = perturbation.changes == "instruction"
        if of_instruction and not own:
            raise InputError(
                f"perturbation {perturbation.name} changes the topics' own instructions, which are missing: give "
                f"instructions and add `own` to the conditions, or move {perturbation.name} to the conditions"
            )
        # one draw is enough where every seed gives the same text
        for seed in configuration.seeds if perturbation.seeded else configuration.seeds[:1]:
            queries = query_set(with_own if of_instruction else topics, perturbation, seed, configuration.name)
            made.append(Variation(perturbation, seed, queries))
    return made


def _cells(configuration: Configuration, conditions: Sequence[str], variations: Sequence[Variation]) -> list[Cell]:
    clean, queries = variations[0], [variation for variation in variations if not variation.of_instruction]
    cells = []
    for mode in configuration.candidates:
        # with fixed candidates the first stage sees the clean queries only
        searched = [each for each in variations if each.of_query] if mode == "retrieve" else [clean]
        cells += [Cell(mode, None, "none", each) for each in searched]
    for encoder in configuration.encoders:
        for mode in configuration.candidates:
            for condition in conditions:
                if condition == "none" and configuration.is_copy(encoder):
                    continue
                used = {"changed": [clean], "own": variations}.get(condition, queries)
                cells += [Cell(mode, encoder, condition, variation) for variation in used]
    return cells
