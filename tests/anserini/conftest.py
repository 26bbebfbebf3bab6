"""A small index, and Python processes of their own for what can happen only once in one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from instrerank.anserini import build_index
from instrerank.trec import Passage

PASSAGES = [
    Passage("d1", "Tides follow the moon."),
    Passage("d2", "The moon, the moon, and the sun: tides again."),
    Passage("07", "Bread rises twice before it bakes."),
    Passage("7", "Bread, in a hot oven, bakes."),
    Passage("é😀", "A rocket 😀 went up \u0085 and \u2028 came down."),
    Passage("blank", " \n"),
]


@pytest.fixture
def passages():
    return PASSAGES


@pytest.fixture(scope="session")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexes") / "small"
    build_index(PASSAGES, folder, threads=2)
    return folder


@pytest.fixture
def python():
    """Run Python code in a process of its own; arguments after it are `sys.argv[1:]`."""

    def run(code, *arguments, **environment):
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, **environment},
        )

    return run
