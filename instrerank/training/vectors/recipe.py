"""The recipe of adapters that are trained on vectors: a YAML file with data, draws and schedule."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from instrerank.errors import InputError
from instrerank.files.values import check_keys, checked, read_mapping

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Draws:
    """How often each kind of example is drawn, in any unit; a rule gives two examples, it and its opposite.

    Attributes:
        clean: a query as it is.
        noisy: a misspelt query, or one with other noise.
        injected: a query with a payload, or with an instruction that does not belong into it.
        rule: an instruction that requires or forbids something of passages.
        neutral: an instruction that asks for nothing more than the query.
        topical: an instruction that says what passages are, and are not, about.
    """

    clean: float = 0.0
    noisy: float = 0.0
    injected: float = 0.0
    rule: float = 0.0
    neutral: float = 0.0
    topical: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares that nothing can be drawn by.

        Raises:
            InputError: a negative share, or none above 0.
        """
        shares = dataclasses.asdict(self)
        if min(shares.values()) < 0 or not any(shares.values()):
            raise InputError(f"draws must be at least 0, and one of them above 0, got {shares}")


@dataclass(frozen=True, kw_only=True)
class AdapterRecipe:
    """How one adapter is trained.

    Attributes:
        draws: see `Draws`.
        move: what a rule changes in the cosine of a passage that satisfies it.
        clean_weight: weight of clean queries in the loss: a penalty on their drift.
        noisy_queries: share of the queries with an instruction that are noisy.
        injected_queries: share of the queries with an instruction whose own text has a payload or another instruction.
        swapped: give each example another one's instruction: a placebo.
        scale: what the trained adapter's change of the weights is multiplied by: below 1, clean queries lose less.
        start: an adapter to begin with: a name, or a folder seen from the working directory; None: one that changes
            nothing yet.
        steps: number of steps.
        batch_size: examples of a step.
        learning_rate: peak; it rises over `warmup_steps`, then falls to 0 along a half cosine.
        warmup_steps: see there.
    """

    draws: Draws
    move: float = 0.2
    clean_weight: float = 1.0
    noisy_queries: float = 0.25
    injected_queries: float = 0.2
    swapped: bool = False
    scale: float = 1.0
    start: str | None = None
    steps: int = 1000
    batch_size: int = 256
    learning_rate: float = 4e-4
    warmup_steps: int = 30

    def __post_init__(self) -> None:
        """Refuse values out of range.

        Raises:
            InputError: names the key, its value and what is allowed.
        """
        for name in ("move", "clean_weight", "scale", "steps", "batch_size", "learning_rate", "warmup_steps"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} must be above 0, got {getattr(self, name)}")
        noisy, injected = self.noisy_queries, self.injected_queries
        if min(noisy, injected) < 0 or noisy + injected > 1:
            raise InputError(
                "noisy_queries and injected_queries must be at least 0, and at most 1 together, "
                f"got {noisy:g} and {injected:g}"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What adapters are trained on; file names are relative to the folder of the data.

    Attributes:
        passages: collections whose passages the scores are over, and of which queries are made.
        leave_out: collections whose passages are not used.
        topics: topics that people asked.
        apart: number of topics of the first file that are left for judging adapters.
        instructions: JSONL of `query` and `instruction`: instructions that ask for nothing more than their query.
        made_queries: number of queries made of passages.
        sentences: share of these that are whole sentences, as claims and long questions are; the others are made of
            phrases.
        rank: of the adapters.
        query_template: how a query and its instruction are joined.
        temperature: τ of the loss: smaller where the base's cosines lie close together (E5's: 0.01).
        seed: of the new weights and of all draws.
        bare: the adapter of queries without an instruction; None: the other one encodes them too.
        instructed: the adapter of queries with an instruction; None: the other one encodes them too.
        note: for the model card: whose the data is, and its terms.
    """

    passages: tuple[str, ...]
    topics: tuple[str, ...]
    leave_out: tuple[str, ...] = ()
    apart: int = 0
    instructions: str | None = None
    made_queries: int = 30_000
    sentences: float = 0.0
    rank: int = 22
    query_template: str = "{q} [SEP] {i}"
    temperature: float = 0.05
    seed: int = 42
    bare: AdapterRecipe | None = None
    instructed: AdapterRecipe | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a recipe that trains nothing, or an adapter on what it never reads.

        Raises:
            InputError: names the key, its value and what is allowed.
        """
        if self.bare is None and self.instructed is None:
            raise InputError("the recipe trains nothing: give bare, instructed, or both")
        for name in ("rank", "made_queries"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.temperature <= 0:
            raise InputError(f"temperature must be above 0, got {self.temperature:g}")
        if not 0 <= self.sentences <= 1:
            raise InputError(f"sentences must be between 0 and 1, got {self.sentences:g}")
        bare = self.bare.draws if self.bare and self.instructed else None
        if bare and (bare.rule or bare.neutral or bare.topical):
            raise InputError("bare.draws: the other adapter reads instructions: rule, neutral and topical must be 0")

    @property
    def adapters(self) -> dict[str, AdapterRecipe]:
        """The adapters by the key of the recipe."""
        parts = {"instructed": self.instructed, "bare": self.bare}
        return {name: part for name, part in parts.items() if part is not None}


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        InputError: no such file, not a recipe, or an unknown key (the nearest one is named).
    """
    given = read_mapping(path, "a recipe")
    try:
        for name in ("bare", "instructed"):
            if given.get(name) is not None:
                part = _mapping(name, given[name])
                draws = _made(Draws, f"{name}.draws", _mapping(f"{name}.draws", part.get("draws", {})))
                given[name] = _made(AdapterRecipe, name, {**part, "draws": draws})
        return _made(Recipe, "the recipe", given)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{name} must be a mapping, got {value!r:.80}")
    return dict(value)


def _made(kind: type[_T], name: str, given: Mapping[str, Any]) -> _T:
    hints = get_type_hints(kind)
    check_keys(name, given, list(hints))
    fields: Any = dataclasses.fields(kind)  # type: ignore[arg-type]
    required = [each.name for each in fields if each.default is dataclasses.MISSING]
    if missing := [key for key in required if key not in given]:
        raise InputError(f"{name} lacks {', '.join(missing)}")
    values = {
        key: value if dataclasses.is_dataclass(value) else checked(f"{name}: {key}", value, hints[key])
        for key, value in given.items()
    }
    return kind(**values)
