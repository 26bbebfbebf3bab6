"""Tiny models, built once per session, and rows to train them on."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch

from instrerank.training.rows import Row, Triple

torch.set_num_threads(1)  # for networks this small, several threads only wait for each other


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return `models(kind, name)`: the folder `name` with a network and a tokenizer of that kind."""
    built: dict[tuple[str, str], Path] = {}

    def model(kind: str, name: str) -> Path:
        if (kind, name) not in built:
            built[kind, name] = tiny.save(tmp_path_factory.mktemp(kind) / name, kind)
        return built[kind, name]

    return model


def inf_ir(at: int) -> Row:
    """A row as InF-IR expands: a and c share the instruction, a and b the query."""
    query, cause, recipe = f"why does bread rise {at}", f"Explain the cause {at}.", f"Give a recipe {at}."
    return Row(
        f"rows:{at}",
        (
            Triple(query, cause, f"Yeast eats sugar {at}."),
            Triple(query, recipe, f"Knead the dough twice {at}."),
            Triple(f"why does copper turn green {at}", cause, f"It reacts with water and air {at}."),
        ),
    )


@pytest.fixture
def rows() -> list[Row]:
    """Twelve rows of three triples."""
    return [inf_ir(at) for at in range(12)]
