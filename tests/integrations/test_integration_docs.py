"""The Python of docs/integrations.md runs as it stands; tests/test_docs.py has its commands."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


def execute(number):
    """Run a Python block of docs/integrations.md."""
    exec(compile(blocks("integrations.md", "python")[number], "docs/integrations.md", "exec"), {})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.java
@pytest.mark.skipif(
    version("pyserini").startswith("2"), reason="importing them, Pyserini 2 reads tables over the network"
)
def test_pyserini(folder):
    # a JVM keeps the working directory in which it started: in this process that may be another test's
    script = [sys.executable, "-c", blocks("integrations.md", "python")[0]]
    assert "[RerankedHit(" in subprocess.run(script, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert len((folder / "run.minilm.txt").read_text().splitlines()) == 20


@pytest.mark.pyterrier
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop")  # PyTerrier's, under pandas 3.1
def test_pyterrier(capsys):
    execute(1)
    assert "d2" in capsys.readouterr().out


@pytest.mark.mteb
def test_mteb(capsys):
    execute(2)
    assert capsys.readouterr().out.startswith("instrerank/minilm ")
