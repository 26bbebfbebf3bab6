"""Two kills of each quick verb; `make kills` has many."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.java
def test_a_killed_verb_called_again_ends_with_the_same_bytes():
    # a process of its own: it forks, and a JVM of this one would not survive that
    command = [
        sys.executable,
        str(Path(__file__).with_name("kills.py")),
        "8",
        "1",
        "rerank",
        "perturb",
        "constrain",
        "export",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 kills, 0 not resumed" in done.stdout
