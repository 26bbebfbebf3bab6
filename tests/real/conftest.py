"""Where the real test collections and models lie: beside the checkout, never inside it."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the real collections; a test that asks for it without them fails, it is not skipped."""
    folder = Path(os.environ.get("INSTRERANK_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    assert folder.is_dir(), f"no real test data at {folder}: run without -m real, or set INSTRERANK_REAL_DATA"
    return folder


@pytest.fixture(scope="session")
def mpnet() -> Path:
    """The folder of all-mpnet-base-v2, which not every machine has."""
    models = Path(os.environ.get("INSTRERANK_REAL_MODELS", Path(__file__).parents[3] / "models"))
    folder = models / "all-mpnet-base-v2"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: set INSTRERANK_REAL_MODELS to the folder that holds it (Makefile: test-real)")
    return folder
