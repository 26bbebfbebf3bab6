"""What a study is made of, as a YAML file or flags say it, checked before anything is run."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

from instrerank.encoders.options import LoadOptions
from instrerank.errors import InputError
from instrerank.files import read_yaml_file
from instrerank.reranking.scoring import check_scoring

Mode = Literal["fixed", "retrieve"]
"""Candidates of the clean query for every query set, or searched again with each (docs/study.md)."""

FIRST_STAGE = "bm25"
"""The first stage as a system of its own."""


class System(NamedTuple):
    """What tables compare: an encoder under one condition of the instruction.

    Attributes:
        encoder: its name in the study, or `bm25` for the first stage.
        instructions: the condition: none, own, changed, or the name of an instruction perturbation.
    """

    encoder: str
    instructions: str

    def __str__(self) -> str:
        """Return the name that `pairs` give it: `minilm/own`."""
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
    """One encoder of a study, with how it is loaded and how its scores make a ranking.

    Attributes:
        name: in tables and in the names of runs.
        encoder: what `rerank --encoder` takes.
        load: how it is loaded; its fields are keys of the encoder in the YAML file.
        fusion: how the first stage's score takes part: none, interpolate, rrf.
        alpha: weight of the first stage's score in interpolate.
        rrf_k: k of rrf.
        max_passage: how the scores of a long passage's windows become one: max, first, mean; None: truncate.
        max_passage_stride: tokens between windows; None: half of what the encoder reads.
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
    """A study; the fields bear the names of the YAML keys and of the flags.

    Attributes:
        topics: file, `irds:ID` or `pocket`.
        qrels: likewise.
        encoders: those that are compared; the first stage is always one of the systems.
        name: of the collection, in the names of runs.
        corpus: passages; indexed into the study's folder where BM25 has to search and no index is given.
        index: Lucene index to search, and the source of passages where no corpus is given.
        run: first-stage run of the clean topics; without, BM25 searches them.
        instructions: the topics' own instructions; without, those that the topics bear.
        changed_instructions: instructions under which other passages are relevant (condition `changed`).
        changed_qrels: the judgements under those: with them, p-MRR is measured.
        conditions: of the instruction: none, own, or the name of an instruction perturbation.
        perturbations: names as `perturb` takes them.
        seeds: draws of each seeded perturbation.
        candidates: the modes.
        hits: depth of reranking.
        search_hits: depth of BM25.
        k1: BM25's k1.
        b: BM25's b.
        measures: trec_eval's names.
        relevance_level: least grade that counts as relevant, except for nDCG.
        pairs: pairs of systems of which the drops are compared; a system is `encoder` or `encoder/condition`.
            Without, the first encoder against each other one, and `own` against `none` for each.
    """

    topics: str
    qrels: str
    encoders: tuple[EncoderChoice, ...]
    name: str
    corpus: str | None = None
    index: str | None = None
    run: str | None = None
    instructions: str | None = None
    changed_instructions: str | None = None
    changed_qrels: str | None = None
    conditions: tuple[str, ...] = ("none",)
    perturbations: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1,)
    candidates: tuple[Mode, ...] = ("fixed",)
    hits: int = 100
    search_hits: int = 1000
    k1: float = 0.9
    b: float = 0.4
    measures: tuple[str, ...] = ("ndcg_cut.10", "map", "recip_rank", "recall.10,20,50,100,1000", "judged.10")
    relevance_level: int = 1
    pairs: tuple[tuple[str, str], ...] | None = None

    @property
    def system_pairs(self) -> list[tuple[System, System]] | None:
        """Return `pairs` as systems; a name without condition is under `none`."""
        return None if self.pairs is None else [(_system(first), _system(second)) for first, second in self.pairs]

    def as_data(self) -> dict[str, Any]:
        """Return the configuration as plain data, to be written as YAML and compared."""
        data = cast("dict[str, Any]", _plain(dataclasses.asdict(self)))
        for choice, plain in zip(self.encoders, data["encoders"], strict=True):
            plain["load"] = _plain(choice.load.changed())
        return data


def read_configuration(path: Path) -> dict[str, Any]:
    """Read the settings of a study from YAML.

    Raises:
        InputError: the file cannot be read, or is no mapping.
    """
    settings = read_yaml_file(path)
    if not isinstance(settings, dict):
        raise InputError(f"{path}: a study is a YAML mapping (topics: …, qrels: …, encoders: […]); see docs/study.md")
    return settings


def configure(settings: Mapping[str, Any]) -> Configuration:
    """Make a configuration of settings as a YAML file or flags give them.

    `collection: pocket` or `collection: irds:ID` stands for topics, qrels and corpus together.

    Raises:
        InputError: an unknown or missing key, a value of the wrong kind, something named twice.
    """
    settings = dict(settings)
    collection = settings.pop("collection", None)
    if collection is not None:
        settings = {**_of_collection(str(collection)), **settings}
    known = {each.name: each for each in dataclasses.fields(Configuration)}
    _check_keys("a study", settings, ["collection", *known])
    missing = [key for key in ("topics", "qrels", "encoders") if not settings.get(key)]
    if missing:
        raise InputError(f"a study needs {', '.join(missing)} (or collection: pocket, collection: irds:ID)")
    if not settings.get("corpus") and not settings.get("index"):
        raise InputError("a study needs the passages: corpus: FILE or index: DIR")
    if settings.get("changed_qrels") and not settings.get("changed_instructions"):
        raise InputError("changed_qrels need the changed_instructions that they judge")
    if "conditions" not in settings and settings.get("instructions"):
        settings["conditions"] = ["none", "own"]
    settings["encoders"] = _encoders(settings["encoders"])
    if settings.get("name") is None:
        from instrerank.perturbations.querysets import source_name

        settings["name"] = source_name(settings["topics"])
    values = {key: _checked(key, value, str(known[key].type)) for key, value in settings.items() if value is not None}
    for mode in values.get("candidates", ()):
        if mode not in get_args(Mode):
            raise InputError(f"candidates: {mode} is neither fixed nor retrieve")
    if not re.fullmatch(r"[\w+-][\w+.-]{,119}", values["name"]):
        raise InputError(
            f"name: {values['name']!r:.60} is part of file names: use up to 120 letters, digits, _, - and +"
        )
    return Configuration(**values)


def _system(name: str) -> System:
    encoder, _, condition = name.partition("/")
    return System(encoder, condition or "none")


def _of_collection(collection: str) -> dict[str, Any]:
    if collection == "pocket":
        return dict(_BUNDLED)
    if collection.startswith("irds:"):
        return dict.fromkeys(("topics", "qrels", "corpus"), collection)
    raise InputError(f"no collection {collection!r}: there is pocket and irds:ID; or give topics, qrels and corpus")


def _encoders(entries: Any) -> tuple[EncoderChoice, ...]:
    if isinstance(entries, str) or not isinstance(entries, Sequence):
        raise InputError(f"encoders is a list, not {entries!r}")
    chosen = [_encoder(entry) for entry in entries if entry != FIRST_STAGE]
    twice = [name for name, count in Counter(each.name for each in chosen).items() if count > 1]
    if twice:
        raise InputError(f"encoders of the same name: {', '.join(twice)}; give each a name of its own (name: …)")
    return tuple(chosen)


def _encoder(entry: Any) -> EncoderChoice:
    entry = {"encoder": entry} if isinstance(entry, str) else entry
    if not isinstance(entry, Mapping) or not entry.get("encoder"):
        raise InputError(f"an encoder is a name or a mapping with `encoder: NAME`, not {entry!r}")
    entry = {"name": Path(str(entry["encoder"])).name, **entry}
    if not re.fullmatch(r"[\w+.-]+", str(entry["name"])) or entry["name"] in (FIRST_STAGE, "none"):
        raise InputError(f"an encoder cannot be named {entry['name']!r}: letters, digits, hyphens; not bm25 or none")
    # a study sets the store for all its encoders
    options = {each.name for each in dataclasses.fields(LoadOptions)} - {"store"}
    own = {each.name for each in dataclasses.fields(EncoderChoice)} - {"load"}
    _check_keys(f"encoder {entry['name']}", entry, sorted(own | options))
    try:
        load = LoadOptions(**{key: value for key, value in entry.items() if key in options})
    except InputError as error:
        raise InputError(f"encoder {entry['name']}: {error}") from error
    return EncoderChoice(**{key: value for key, value in entry.items() if key in own}, load=load)


def _check_keys(what: str, given: Iterable[str], known: Sequence[str]) -> None:
    unknown = [str(key) for key in given if key not in known]
    if unknown:
        # no cutoff: something is always nearest
        near = [difflib.get_close_matches(key, known, n=1, cutoff=0)[0] for key in unknown]
        raise InputError(f"{what} has no {', '.join(unknown)} (nearest: {', '.join(near)}); it has {', '.join(known)}")


def _checked(key: str, value: Any, annotation: str) -> Any:
    """Return a value of the kind that a field has: a list as a tuple, the rest as it is."""
    if annotation.startswith("tuple"):
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise InputError(f"{key} is a list, not {value!r}")
        value = tuple(tuple(each) if isinstance(each, list) else each for each in value)
        if annotation.startswith("tuple[str") and (odd := [each for each in value if not isinstance(each, str)]):
            raise InputError(f"{key} is a list of names, and {odd[0]!r:.60} is not one; quote it if it is")
        twice = [each for at, each in enumerate(value) if each in value[:at]]
        if twice:
            raise InputError(f"{key}: {', '.join(map(str, twice))} twice; each would be the same runs again")
        if key == "seeds" and not all(type(seed) is int for seed in value):
            raise InputError(f"seeds are whole numbers, not {list(value)}")
        if key == "pairs" and not all(
            isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(each, str) for each in pair)
            for pair in value
        ):
            raise InputError(
                f"pairs are lists of two systems: [[minilm, other], [minilm/none, minilm/own]]; not {value}"
            )
        return value
    if annotation in ("int", "float"):
        if not isinstance(value, int | float) or (annotation == "int" and not isinstance(value, int)):
            raise InputError(f"{key}: {value!r} is not a{' whole' if annotation == 'int' else ''} number")
        if value < (1 if annotation == "int" else 0):
            raise InputError(f"{key}: {value} is too small")
    elif not isinstance(value, str):
        raise InputError(f"{key}: {value!r} is not text")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value
