"""Tiny models, built once per session."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return `models(kind, name)`: the folder `name` with a network and a tokenizer of that kind."""
    built: dict[tuple[str, ...], Path] = {}

    def model(kind: str, name: str, auto_class: str = "AutoModel", side: str = "right") -> Path:
        key = (kind, name, auto_class, side)
        if key not in built:
            built[key] = tiny.save(tmp_path_factory.mktemp(kind) / name, kind, auto_class, side)
        return built[key]

    return model


@pytest.fixture(scope="session")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return `lora(base, name)`: the folder `name` with an adapter of that base, as peft saves it."""

    def adapter(base: Path, name: str, **changes: object) -> Path:
        return tiny.save_adapter(tmp_path_factory.mktemp("adapter") / name, base, **changes)

    return adapter
