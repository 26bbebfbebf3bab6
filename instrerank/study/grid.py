"""The grid of a study: wordings of the instruction × its placements × typos in the query, every cell of it run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, get_type_hints

from instrerank.encoders.families.profiles import Placement
from instrerank.errors import InputError
from instrerank.perturbations import resolve
from instrerank.study.values import checked

if TYPE_CHECKING:
    from instrerank.study.configuration import EncoderChoice


@dataclass(frozen=True)
class Grid:
    """Three factors; the level that each starts from is the topic's own wording, the first placement, the clean query.

    Attributes:
        wording: perturbations of the instruction.
        placement: where the instruction stands, as `instruction_placement`; each encoder is run with each.
        typos: perturbations of the query.
    """

    wording: tuple[str, ...] = ()
    placement: tuple[Placement, ...] = ("slot",)
    typos: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a grid with a single factor, and perturbations that belong to another one.

        Raises:
            InputError: names the factor and what it takes.
        """
        if bool(self.wording) + (len(self.placement) > 1) + bool(self.typos) < 2:
            raise InputError("grid needs two of: wording, placement (two or more), typos; for one use perturbations")
        for factor, changes in (("wording", "instruction"), ("typos", "text")):
            for name in getattr(self, factor):
                if resolve(name).fields != {changes}:
                    what = "instruction" if changes == "instruction" else "query"
                    raise InputError(f"grid: {name} does not change the {what} alone, as {factor} should")
        for factor in ("wording", "placement", "typos"):
            if len(set(getattr(self, factor))) < len(getattr(self, factor)):
                raise InputError(f"grid: duplicates in {factor}")

    @property
    def perturbations(self) -> list[str]:
        """The perturbations by themselves, and each wording with each typo."""
        return [*self.wording, *self.typos, *map("+".join, product(self.wording, self.typos))]

    def placed(self, choices: Sequence[EncoderChoice]) -> list[EncoderChoice]:
        """Return each encoder with each placement: `minilm`, `minilm-after`.

        Raises:
            InputError: an encoder has a placement of its own, or cannot place the instruction.
        """
        fixed = [choice.name for choice in choices if choice.load.instruction_placement != "slot"]
        if fixed and len(self.placement) > 1:
            raise InputError(f"encoder {fixed[0]}: leave instruction_placement out, the grid has placements")
        return [
            dataclasses.replace(
                choice,
                name=placed_name(choice.name, placement),
                load=choice.load if placement == "slot" else _placed(choice, placement),
            )
            for choice in choices
            for placement in self.placement
        ]


def placed_name(encoder: str, placement: str) -> str:
    """Return the name of an encoder of the study with a placement of the instruction."""
    return encoder if placement == "slot" else f"{encoder}-{placement}"


def _placed(choice: EncoderChoice, placement: Placement) -> Any:
    try:
        return choice.load.with_changes(instruction_placement=placement)
    except InputError as error:
        raise InputError(f"encoder {choice.name}: grid: {error}") from error


def grid_of(given: Any) -> Grid:
    """Return the grid that the key `grid` of a study gives.

    Raises:
        InputError: not a mapping, an unknown factor, or a value that is not allowed.
    """
    hints = get_type_hints(Grid)
    if not isinstance(given, Mapping) or not given.keys() <= hints.keys():
        raise InputError(f"grid must be a mapping with some of {', '.join(hints)}, got {given!r:.80}")
    values = {key: checked(f"grid: {key}", value, hints[key]) for key, value in given.items() if value is not None}
    return Grid(**values)
