"""The registry of perturbations by name; a decorator adds one, in our code, user code or an entry point."""

from __future__ import annotations

import difflib
import functools
import inspect
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from instrerank.errors import InputError, InstrerankError
from instrerank.perturbations.base import (
    Apply,
    Description,
    Edit,
    Expectation,
    Field,
    Perturbation,
    Perturbed,
    edited,
    rewritten,
)
from instrerank.perturbations.compositions import compose
from instrerank.trec.types import Topic

ENTRY_POINTS = "instrerank.perturbations"
"""Entry point group for other packages; loading an entry must run its `register` decorators."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class _Registered:
    """A function and its description; the function's keyword-only parameters are the perturbation's options."""

    function: Callable[..., Any]
    described: Description
    over_topics: bool

    @functools.cached_property
    def keywords(self) -> dict[str, inspect.Parameter]:
        parameters = inspect.signature(self.function, eval_str=True).parameters
        return {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}

    @functools.cached_property
    def options(self) -> dict[str, inspect.Parameter]:
        return {name: p for name, p in self.keywords.items() if name not in self.resources}

    @functools.cached_property
    def resources(self) -> list[str]:
        """Keywords that take an object, passed to `resolve`, not a text."""
        return [name for name, p in self.keywords.items() if hasattr(p.annotation, "describe")]


_registered: dict[str, _Registered] = {}


def register(
    name: str,
    *,
    family: str,
    expects: Expectation,
    changes: Field = "text",
    seeded: bool = True,
    needs_review: bool = False,
    needs: str = "",
    over_topics: bool = False,
) -> Callable[[_Function], _Function]:
    """Register a function as a perturbation; the arguments are the attributes of `Description`.

    The function takes (topic, rng) and returns the new text of the field it `changes`, or a `Perturbed` for a
    more detailed log. With `over_topics` it takes (topics, seed) and returns such a function. Keyword-only
    parameters (int, float or str) become options: `typo-mixed:edits=2`. Those of a class with a method `describe` are
    resources, which `resolve` takes as objects; the method returns what the record of a query set says of them.

    A perturbation of instructions leaves a topic without an instruction unchanged, unless the function has an
    option `fill`, which declares that it can add one.

    Raises:
        InputError: the name is taken, or contains characters other than letters, digits and hyphens.
    """
    if not re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", name):
        raise InputError(f"perturbation name {name!r}: only letters, digits and single hyphens are allowed")
    if name in _registered:
        raise InputError(f"a perturbation named {name} is already registered; choose another name")

    def keep(function: _Function) -> _Function:
        summary = (inspect.getdoc(function) or "").partition("\n")[0]
        described = Description(name, family, expects, summary, changes, seeded, needs_review, needs)
        _registered[name] = _Registered(function, described, over_topics)
        return function

    return keep


def names() -> list[str]:
    """Return the sorted names of all perturbations, including those of other packages."""
    _load_entry_points()
    return sorted(_registered)


@functools.cache
def _load_entry_points() -> None:
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except Exception as error:
            raise InstrerankError(f"the perturbations of {entry.value} cannot be loaded: {error}") from error


_JOIN = re.compile(r"\+(?=[A-Za-z0-9-]+(?:[:+]|$))")
"""The sign between the parts of a composition: not one inside an option's value, such as a file name."""


def resolve(spec: str, **resources: Any) -> Perturbation:
    """Return the perturbation for `name` or `name:option=value:option=value`; `a+b` is a composition of those.

    `resources` are objects that some perturbations need, by name: `language_model`.

    Every perturbation of queries that uses one topic at a time also accepts `on=instruction`: the same change applied
    to the instruction. Those that use other topics (`other-query`, `instruction-swapped`, `synonym-neighbour`) have no
    `apply`: use `Perturbation.for_topics` to get it.

    Raises:
        InputError: an unknown name (the message lists the nearest and all available ones), an invalid option, or parts
            that do not belong together.
    """
    parts = _JOIN.split(spec)
    probes = [part for part in parts if part.startswith("probe-")]
    if probes:
        raise InputError(
            f"{spec}: {probes[0]} changes passages, and perturbations of queries are never of the same text: name it "
            f"alone, as a probe of passages"
        )
    if len(parts) > 1:
        return compose([resolve(part, **resources) for part in parts])
    name, *settings = spec.split(":")
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.5)
        hint = f" Nearest: {', '.join(near)}." if near else ""
        raise InputError(f"unknown perturbation {name!r}.{hint} Available: {', '.join(names())}")
    registered = _registered[name]
    values = {}
    for setting in settings:
        option, _, value = setting.partition("=")
        values[option] = value
    target = values.pop("on", "text")
    if target not in ("text", "instruction"):
        raise InputError(f"{spec}: `on` must be text or instruction, got {target!r}")
    options = {option: _value(spec, registered, option, value) for option, value in values.items()}
    perturbation = _bound(registered, options, resources)
    if any(resources.get(name) is None for name in registered.resources):
        raise InputError(f"{name} needs {perturbation.needs}")
    missing = [o for o, p in registered.options.items() if p.default is p.empty and o not in options]
    if missing:
        raise InputError(f"{name} needs {perturbation.needs}: write {name}:{missing[0]}=…")
    return on_instruction(perturbation) if target == "instruction" else perturbation


def _value(spec: str, registered: _Registered, option: str, value: str) -> Any:
    if option not in registered.options:
        allowed = ", ".join(registered.options) or "none"
        raise InputError(f"{spec}: unknown option {option!r}. Available: {allowed}")
    kind = registered.options[option].annotation
    try:
        return kind(value)
    except ValueError:
        raise InputError(f"{spec}: {option} must be of type {kind.__name__}, got {value!r}") from None


def _bound(registered: _Registered, options: dict[str, Any], resources: Mapping[str, Any]) -> Perturbation:
    # Path.stem: an option may be a file, and its folder does not belong in the name of a query set
    labels = [f"{o}-{Path(v).stem if isinstance(v, str) else v}" for o, v in sorted(options.items())]
    fields = vars(registered.described)
    changes = registered.described.changes
    name = re.sub(r"[^A-Za-z0-9]+", "-", "-".join([registered.described.name, *labels])).strip("-")
    given = {name: resources[name] for name in registered.resources if name in resources}
    function = functools.partial(registered.function, **options, **given) if options or given else registered.function
    fills = "fill" in registered.options
    if not registered.over_topics:
        return Perturbation(**fields | {"name": name}, apply=_lifted(function, name, changes, fills))

    def over_topics(topics: Sequence[Topic], seed: int) -> Apply:
        return _lifted(function(topics, seed), name, changes, fills)

    def details() -> dict[str, Any]:
        return {name: resource.describe() for name, resource in given.items()}

    return Perturbation(**fields | {"name": name}, over_topics=over_topics, details=details if given else None)


def _lifted(
    function: Callable[[Topic, random.Random], str | Perturbed], name: str, field: Field, fills: bool
) -> Apply:
    """Make `apply` from a function that may return plain text, and ensure that no query becomes empty."""

    def apply(topic: Topic, rng: random.Random) -> Perturbed:
        unchanged = Perturbed(topic, topic)
        if field == "instruction" and not topic.instruction and not fills:
            return unchanged
        result = function(topic, rng)
        if isinstance(result, str):
            result = rewritten(topic, result, name, field)
        if result.topic.text.strip() and result.changed:
            return result
        return Perturbed(topic, topic, reason=result.reason)

    return apply


def on_instruction(perturbation: Perturbation) -> Perturbation:
    """Return a perturbation of queries that is applied to the instruction instead.

    Raises:
        InputError: it already changes instructions, or uses other topics.
    """
    change_query = perturbation.apply
    if perturbation.changes == "instruction" or change_query is None:
        raise InputError(f"{perturbation.name} cannot be applied to the instruction")

    def apply(topic: Topic, rng: random.Random) -> Perturbed:
        if not topic.instruction:
            return Perturbed(topic, topic)
        done = change_query(Topic(topic.qid, topic.instruction), rng)
        return edited(topic, [Edit(*edit[:4], "instruction") for edit in done.edits])

    name = f"{perturbation.name}-on-instruction"
    return replace(perturbation, name=name, apply=apply, changes="instruction")


def resolve_all(specs: Iterable[str], **resources: Any) -> list[Perturbation]:
    """Return several perturbations; `all` or the name of a family selects all that need only topics, none composed.

    `resources` as for `resolve`.

    Raises:
        InputError: as `resolve`.
    """
    chosen: dict[str, Perturbation] = {}
    for spec in specs:
        group = [
            _bound(registered, {}, {})
            for name in names()
            if not (registered := _registered[name]).described.needs and spec in ("all", registered.described.family)
        ]
        for perturbation in group or [resolve(spec, **resources)]:
            chosen[perturbation.name] = perturbation
    return list(chosen.values())


def describe() -> list[Description]:
    """Return the descriptions of all perturbations, sorted by family and name."""
    return sorted((_registered[name].described for name in names()), key=lambda p: (p.family, p.name))
