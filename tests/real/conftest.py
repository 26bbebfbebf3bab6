"""Where the real test collections lie: beside the checkout, never inside it."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the real collections; a test that asks for it without them fails, it is not skipped."""
    folder = Path(os.environ.get("INSTRERANK_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    assert folder.is_dir(), f"no real test data at {folder}: run without -m real, or set INSTRERANK_REAL_DATA"
    return folder
