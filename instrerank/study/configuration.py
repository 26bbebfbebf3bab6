"""The configuration of a study, from a YAML file or from flags, checked before anything runs."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_type_hints

from instrerank.collections import mteb_tasks
from instrerank.encoders.options import LoadOptions
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.files.values import check_keys, checked, read_mapping
from instrerank.perturbations.llm import LanguageModelOptions
from instrerank.perturbations.seeds import seeds_of
from instrerank.reranking.candidates import EmptyPolicy
from instrerank.reranking.scoring import check_scoring
from instrerank.study.grid import Grid, grid_of

Mode = Literal["fixed", "retrieve"]
"""Every query set reranks the candidates of the clean query, or searches for its own (docs/study.md)."""

FIRST_STAGE = "bm25"
"""The first stage as a system of its own."""


class System(NamedTuple):
    """What the tables compare: an encoder under one instruction condition.

    Attributes:
        encoder: its name in the study, or `bm25` for the first stage.
        instructions: the condition: none, own, changed, prompt-ID, or the name of an instruction perturbation.
    """

    encoder: str
    instructions: str

    def __str__(self) -> str:
        """Return the name as in `pairs`: `minilm/own`."""
        return f"{self.encoder}/{self.instructions}"


_BUNDLED = {
    "topics": "pocket",
    "qrels": "pocket",
    "corpus": "pocket",
    "instructions": "pocket",
    "changed_instructions": "pocket:changed",
    "changed_qrels": "pocket:changed",
    "relevance_level": 2,
}


@dataclass(frozen=True, eq=False)
class EncoderChoice:
    """One encoder of a study, how it is loaded, and how its scores become a ranking.

    Attributes:
        name: in tables and run names.
        encoder: as in `rerank --encoder`.
        load: how it is loaded; its fields are keys of the encoder in the YAML file.
        fusion: with the first stage's score: none, interpolate, rrf.
        alpha: weight of the first stage's score in interpolate.
        rrf_k: k of rrf.
        max_passage: how the scores of a long passage's windows are aggregated: max, first, mean; None: truncate.
        max_passage_stride: tokens between the starts of windows; None: half of what the encoder reads.
    """

    name: str
    encoder: str
    load: LoadOptions = field(default_factory=LoadOptions)
    fusion: Literal["none", "interpolate", "rrf"] = "none"
    alpha: float = 0.5
    rrf_k: int = 60
    max_passage: Literal["max", "first", "mean"] | None = None
    max_passage_stride: int | None = None

    def __post_init__(self) -> None:
        """Refuse what `rerank` would refuse, before any work.

        Raises:
            InputError: names the encoder, the value and what is allowed.
        """
        try:
            check_scoring(self.fusion, self.alpha, self.rrf_k, self.max_passage, self.max_passage_stride, self.load)
        except InputError as error:
            raise InputError(f"encoder {self.name}: {error}") from error


@dataclass(frozen=True)
class Configuration:
    """A study; its fields are named like the YAML keys and the flags.

    Attributes:
        topics: file, `irds:ID`, `mteb:TASK` or `pocket`.
        qrels: likewise.
        encoders: the encoders to compare; the first stage is always one of the systems.
        name: of the collection, in run names: letters, digits, `_` and `-`.
        corpus: passages; indexed in the study's folder if BM25 has to search and no index is given.
        index: Lucene index to search, and the source of passages if no corpus is given.
        run: first-stage run of the clean topics; None: BM25 searches.
        exclude: documents that may not be retrieved for a topic, as in `search` and `rerank`.
        instructions: the topics' own instructions; None: those in the topics file.
        changed_instructions: instructions under which other passages are relevant (condition `changed`).
        changed_qrels: the judgements under the changed instructions, for p-MRR.
        conditions: instruction conditions: none, own, or the name of an instruction perturbation.
        prompts: file of generic prompts (`read_prompts`); each becomes a condition, for clean queries only.
        perturbations: names as in `perturb`.
        grid: wordings × placements × typos, of which `encoders` and `perturbations` hold every cell.
        probes: names of probes for shortcuts; all of them: probe.
        seeds: draws of each seeded perturbation.
        language_model: what perturbations by a language model ask, as a mapping of the fields of
            `LanguageModelOptions`; its answers are recorded with the query sets.
        candidates: the modes.
        hits: depth of reranking.
        empty: as in `rerank`: what to do with a candidate whose text is empty in the collection.
        search_hits: depth of BM25.
        k1: BM25's k1.
        b: BM25's b.
        measures: trec_eval's names.
        relevance_level: least grade that counts as relevant, except for nDCG.
        pairs: pairs of systems whose drops are compared; a system is `encoder` or `encoder/condition`. None: the
            first encoder against each other one, and `own` against `none` for each.
    """

    topics: str
    qrels: str
    encoders: tuple[EncoderChoice, ...]
    name: str
    corpus: str | None = None
    index: str | None = None
    run: str | None = None
    exclude: str | None = None
    instructions: str | None = None
    changed_instructions: str | None = None
    changed_qrels: str | None = None
    conditions: tuple[str, ...] = ("none",)
    prompts: str | None = None
    perturbations: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1,)
    language_model: LanguageModelOptions | None = None
    candidates: tuple[Mode, ...] = ("fixed",)
    hits: int = 100
    empty: EmptyPolicy = "error"
    search_hits: int = 1000
    k1: float = 0.9
    b: float = 0.4
    measures: tuple[str, ...] = ("ndcg_cut.10", "map", "recip_rank", "recall.10,20,50,100,1000", "judged.10")
    relevance_level: int = 1
    pairs: tuple[tuple[str, str], ...] | None = None
    grid: Grid | None = None
    probes: tuple[str, ...] = ()

    @property
    def system_pairs(self) -> list[tuple[System, System]] | None:
        """Return `pairs` as systems; a name without a condition means `none`."""
        return None if self.pairs is None else [(_system(first), _system(second)) for first, second in self.pairs]

    def is_copy(self, choice: EncoderChoice) -> bool:
        """Return whether an encoder is another with a later placement of the grid: the same without an instruction."""
        placements = len(self.grid.placement) if self.grid else 1
        return self.encoders.index(choice) % placements > 0

    def as_data(self) -> dict[str, Any]:
        """Return the configuration as plain data for YAML."""
        data = cast("dict[str, Any]", _plain(dataclasses.asdict(self)))
        if self.empty == "error":  # as in studies before it was a key
            del data["empty"]
        for key in ("exclude", "grid", "probes", "prompts"):  # likewise
            if not data[key]:
                del data[key]
        del data["language_model"]
        if self.language_model is not None:
            data["language_model"] = _plain(self.language_model.recorded())
        for choice, plain in zip(self.encoders, data["encoders"], strict=True):
            plain["load"] = _plain(choice.load.changed())
        return data


def read_configuration(path: Path) -> dict[str, Any]:
    """Read the settings of a study from YAML.

    Raises:
        InputError: the file cannot be read or is not a mapping.
    """
    return read_mapping(path, "the study's configuration")


def configure(settings: Mapping[str, Any]) -> Configuration:
    """Return the configuration that settings from a YAML file or from flags make.

    `collection: pocket`, `irds:ID` or `mteb:TASK` stands for topics, qrels and corpus together, and for the
    instructions and candidates that pocket and mteb's task have.

    Raises:
        InputError: an unknown or missing key, a value that is not allowed, or a duplicate.
    """
    settings = dict(settings)
    collection = settings.pop("collection", None)
    if collection is not None:
        settings = {**_of_collection(str(collection)), **settings}
    known = [each.name for each in dataclasses.fields(Configuration)]
    check_keys("a study", settings, ["collection", *known])
    missing = [key for key in ("topics", "qrels", "encoders") if not settings.get(key)]
    if missing:
        raise InputError(f"a study needs {', '.join(missing)} (or collection: pocket, irds:ID, mteb:TASK)")
    if not settings.get("corpus") and not settings.get("index"):
        raise InputError("a study needs passages: give corpus: FILE or index: DIR")
    if settings.get("changed_qrels") and not settings.get("changed_instructions"):
        raise InputError("changed_qrels need changed_instructions, which they judge")
    if "conditions" not in settings and settings.get("instructions"):
        settings["conditions"] = ["none", "own"]
    settings["encoders"] = _encoders(settings["encoders"])
    if settings.get("language_model") is not None:
        settings["language_model"] = _language_model(settings["language_model"])
    if settings.get("grid") is not None:
        settings |= _gridded(settings, grid_of(settings["grid"]))
    if isinstance(settings.get("seeds"), int | str):
        settings["seeds"] = seeds_of(settings["seeds"])
    hints = get_type_hints(Configuration)
    values = {
        key: value if key == "grid" else checked(key, value, hints[key])
        for key, value in settings.items()
        if value is not None
    }
    if "name" not in values:
        from instrerank.perturbations.querysets import source_name

        values["name"] = source_name(values["topics"])
    _check_values(values)
    if values.get("probes"):
        from instrerank.perturbations.probes import resolve_probes

        resolve_probes(values["probes"])
    return Configuration(**values)


def _gridded(settings: Mapping[str, Any], grid: Grid) -> dict[str, Any]:
    """Return the settings that a grid changes: its perturbations and placements beside the others."""
    if "own" not in settings.get("conditions", ()):
        raise InputError("a grid needs the topics' own instructions: give instructions, and own among the conditions")
    others = checked("perturbations", settings.get("perturbations") or (), tuple[str, ...])
    return {
        "grid": grid,
        "encoders": tuple(grid.placed(settings["encoders"])),
        "perturbations": tuple(dict.fromkeys([*others, *grid.perturbations])),
    }


def _check_values(values: Mapping[str, Any]) -> None:
    """Refuse what the types allow and the verbs do not."""
    if not re.fullmatch(r"[\w-]{1,100}", values["name"]):
        raise InputError(f"name must be 1 to 100 letters, digits, _ and -, got {values['name'][:120]!r}")
    for key in ("conditions", "perturbations", "probes", "seeds", "candidates", "measures", "pairs"):
        value = values.get(key, ())
        duplicates = [each for at, each in enumerate(value) if each in value[:at]]
        if duplicates:
            raise InputError(f"duplicates in {key}: {', '.join(map(str, duplicates))}")
        if key in values and not value and key not in ("perturbations", "probes", "pairs"):
            raise InputError(f"{key} must not be empty")
    for key in ("hits", "search_hits", "relevance_level"):
        if values.get(key, 1) < 1:
            raise InputError(f"{key} must be at least 1, got {values[key]}")
    if values.get("prompts") and "none" not in values.get("conditions", ("none",)):
        raise InputError("prompts are compared with each encoder's default prompt: add none to conditions")
    if min(values.get("seeds", (0,))) < 0:
        raise InputError(f"seeds must be at least 0, got {min(values['seeds'])}")
    if values.get("k1", 0) < 0:
        raise InputError(f"k1 must be at least 0, got {values['k1']}")
    if not 0 <= values.get("b", 0) <= 1:
        raise InputError(f"b must be between 0 and 1, got {values['b']}")


def _system(name: str) -> System:
    encoder, _, condition = name.partition("/")
    return System(encoder, condition or "none")


def _of_collection(collection: str) -> dict[str, Any]:
    if collection == "pocket":
        return dict(_BUNDLED)
    if collection.startswith("irds:"):
        return dict.fromkeys(("topics", "qrels", "corpus"), collection)
    if collection.startswith(mteb_tasks.PREFIX):
        return mteb_tasks.mteb_settings(collection)
    try:
        tasks = [f"{mteb_tasks.PREFIX}{name}" for name in mteb_tasks.nearest_tasks(collection)]
    except MissingPrerequisiteError:
        tasks = []
    near = f" (nearest: {', '.join(tasks)})" if tasks else ""
    raise InputError(
        f"unknown collection {collection!r}{near}. Available: pocket, irds:ID, mteb:TASK (instrerank collections "
        f"lists all); or give topics, qrels and corpus"
    )


def _encoders(entries: Any) -> tuple[EncoderChoice, ...]:
    if isinstance(entries, str) or not isinstance(entries, Sequence):
        raise InputError(f"encoders must be a list, got {entries!r}")
    chosen = [_encoder(entry) for entry in entries if entry != FIRST_STAGE]
    # as they are in file names, where a dot separates
    names = Counter(re.sub(r"[^\w+-]+", "-", each.name) for each in chosen)
    duplicates = [name for name, count in names.items() if count > 1]
    if duplicates:
        raise InputError(f"several encoders have the same name: {', '.join(duplicates)}; give each its own (name: …)")
    return tuple(chosen)


def _encoder(entry: Any) -> EncoderChoice:
    entry = {"encoder": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, Mapping) or not entry.get("encoder"):
        raise InputError(f"an encoder must be a name or a mapping with `encoder: NAME`, got {entry!r}")
    entry = {"name": Path(str(entry["encoder"])).name, **entry}
    if not re.fullmatch(r"[\w+.-]{1,100}", str(entry["name"])) or entry["name"] in (FIRST_STAGE, "none"):
        raise InputError(
            f"name of an encoder must be 1 to 100 letters, digits, hyphens and dots, and not bm25 or none, "
            f"got {str(entry['name'])[:120]!r}"
        )
    place = f"encoder {entry['name']}"
    # a study sets the store for all its encoders
    loading = {key: hint for key, hint in get_type_hints(LoadOptions).items() if key != "store"}
    own = {key: hint for key, hint in get_type_hints(EncoderChoice).items() if key != "load"}
    check_keys(place, entry, sorted({**own, **loading}))
    try:
        # as in `Configuration`, null is the default
        values = {key: checked(key, value, (own | loading)[key]) for key, value in entry.items() if value is not None}
        load = LoadOptions(**{key: value for key, value in values.items() if key in loading})
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    return EncoderChoice(**{key: value for key, value in values.items() if key in own}, load=load)


def _language_model(entry: Any) -> LanguageModelOptions:
    if not isinstance(entry, Mapping) or not entry.get("model"):
        raise InputError(f"language_model must be a mapping with `model: NAME`, got {entry!r}")
    hints = get_type_hints(LanguageModelOptions)
    check_keys("language_model", entry, list(hints))
    values = {key: checked(key, value, hints[key]) for key, value in entry.items() if value is not None}
    return LanguageModelOptions(**values)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
