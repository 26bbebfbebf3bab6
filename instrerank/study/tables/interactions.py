"""The table `interactions`: whether changes made together cost more than the sum of what each costs alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from instrerank.perturbations.compositions import Composition
from instrerank.study.configuration import System
from instrerank.study.plan import Cell
from instrerank.study.results import Results, Scores
from instrerank.study.rows import Interaction
from instrerank.study.tables.comparison import compared, with_corrected_p


class _Change(NamedTuple):
    """One or several changes of a system's clean queries: their names, and the runs with all of them."""

    names: tuple[str, ...]
    draws: list[Cell]


def interaction_rows(results: Results) -> list[Interaction]:
    """Return, system by system, the drop of each change alone, and of changes together against the sum of theirs.

    The difference of differences, topic by topic: drop(A and B) − drop(A) − drop(B), each drop against the same clean
    queries, seeds averaged within each topic; 0 if the effects are additive on the scale of the measure.
    """
    rows: list[Interaction] = []
    for system in results.systems:
        changes = list(_changes(results, system))
        alone = {change.names[0]: change for change in changes if len(change.names) == 1}
        together = [change for change in changes if len(change.names) > 1 and alone.keys() >= set(change.names)]
        used = [name for name in alone if any(name in change.names for change in together)]
        for measure, clean in results.scores[results.clean(system)].items():
            drops = {name: _drop(results, clean, alone[name].draws, measure) for name in used}
            rows += [_row(system, (name,), measure, drops[name], [drops[name]]) for name in used]
            for change in together:
                drop = _drop(results, clean, change.draws, measure)
                rows.append(_row(system, change.names, measure, drop, [drops[name] for name in change.names]))
    return with_corrected_p(rows)


def _changes(results: Results, system: System) -> Iterator[_Change]:
    """Yield the changes of a system: its perturbations, and the other placements of its instruction with each."""
    own = results.draws(system)
    yield from (_Change(_factors(draws[0], own), draws) for draws in own.values())
    configuration = results.plan.configuration
    if configuration.grid is None or system.instructions == "none":
        return
    _, *placements = configuration.grid.placement
    names = [choice.name for choice in configuration.encoders]
    # each encoder with the first placement is followed by itself with the others
    if system.encoder not in names[:: 1 + len(placements)]:
        return
    copies = names[names.index(system.encoder) + 1 :]
    for placement, copy in zip(placements, copies, strict=False):
        placed = System(copy, system.instructions)
        if placed in results.systems:
            name = f"placement-{placement}"
            yield _Change((name,), [results.clean(placed)])
            for draws in results.draws(placed).values():
                yield _Change((*_factors(draws[0], own), name), draws)


def _factors(cell: Cell, run: Mapping[str, Sequence[Cell]]) -> tuple[str, ...]:
    """Return what makes up the perturbation of a cell: its parts, or two groups of them, if those were run too."""
    perturbation = cell.variation.perturbation
    if not isinstance(perturbation, Composition):
        return (cell.variation.name,)
    parts = [part.name for part in perturbation.parts]
    groups = [parts, *(["+".join(parts[:at]), "+".join(parts[at:])] for at in range(1, len(parts)))]
    return next((tuple(group) for group in groups if run.keys() >= set(group)), (cell.variation.name,))


def _drop(results: Results, clean: Scores, draws: list[Cell], measure: str) -> dict[str, float]:
    """Return clean − changed by qid."""
    changed = results.mean_scores(draws, measure)
    return {qid: score - changed[qid] for qid, score in clean.items()}


def _row(system: System, names: tuple[str, ...], measure: str, drop: Scores, alone: Sequence[Scores]) -> Interaction:
    added = {qid: sum(each[qid] for each in alone) for qid in drop}
    change = compared(drop, added)
    low, high = change.interval or (None, None)
    single = len(names) == 1
    return Interaction(
        *system,
        changes="+".join(names),
        number=len(names),
        measure=measure,
        topics=change.topics,
        drop=change.mean,
        added=change.baseline,
        difference=None if single else change.difference,
        low=None if single else low,
        high=None if single else high,
        p=change.p_t_test,
        corrected_p=None,
        effect_size=change.effect_size,
    )
