"""The scripts in docs/ run as they stand."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.java
def test_the_pyserini_script_gives_the_scores_of_the_demo(tmp_path):
    command = [sys.executable, DOCS / "pyserini_script.py", "pocket", "pocket", "pocket", tmp_path]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    scores = ast.literal_eval(printed.splitlines()[-1])
    assert scores["ndcg_cut_10"] == pytest.approx(0.6141, abs=1e-3)
    assert (tmp_path / "run.minilm.txt").is_file()
