"""`instrerank reproduce`: the conditions that need nothing but the package come out as expected, here and now."""

import json
import subprocess
import sys

import pytest

from instrerank.cli import main
from instrerank.jobs import reproduce as job

POCKET = [name for name in job.read_conditions() if name.startswith("pocket.")]


@pytest.mark.java
def test_the_conditions_over_pocket_are_ok(tmp_path):
    flags = [flag for name in POCKET for flag in ("--condition", name)]
    # a process of its own: the JVM must not stay in that of the tests
    command = [sys.executable, "-m", "instrerank", "reproduce", *flags, "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("[OK]") + done.stdout.count("[OKish]") == 10
    assert done.stdout.count("$ instrerank index ") == done.stdout.count("$ instrerank search ") == 1
    assert done.stdout.count("$ instrerank rerank ") == 3


@pytest.mark.parametrize(
    ("score", "expected", "verdict"),
    [
        (0.50584, 0.5058, "OK"),
        (0.5063, 0.5058, "OKish"),
        (0.5053, 0.5058, "OKish"),
        (0.7, 0.5058, "OKish"),
        (0.5052, 0.5058, "FAIL"),
        (0.5, None, "NEW"),
    ],
)
def test_verdicts_follow_pyserini(score, expected, verdict):
    assert job.verdict(score, expected) == verdict


def test_a_dry_run_prints_every_command_once_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "--all", "--dry-run"]) == 0
    commands = [line for line in capsys.readouterr().out.splitlines() if line.startswith("$")]
    assert len(set(commands)) == len(commands) == 15
    assert (
        "$ instrerank search --topics dl19-passage --index msmarco-v1-passage --hits 1000 "
        "--output reproductions/runs/run.dl19-passage.bm25.none.none.clean.txt --overwrite"
    ) in commands
    assert not list(tmp_path.iterdir())


def test_the_list_says_what_a_condition_needs(capsys):
    assert main(["reproduce", "--list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(job.read_conditions()) <= set(lines)
    assert "nothing else" in lines["pocket.bm25"]
    assert "Hugging Face hub" in lines["dl19-passage.e5-base-v2"]
    assert "non-commercial" in lines["dl20-passage.bm25"]
    assert main(["reproduce", "--list", "--json"]) == 0
    assert [row["condition"] for row in json.loads(capsys.readouterr().out)] == list(job.read_conditions())


def test_an_unknown_condition_is_named_with_those_available(capsys):
    assert main(["reproduce", "--condition", "pocket.bm52"]) == 2
    assert "unknown condition pocket.bm52. Available: pocket.bm25, pocket.minilm" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("codes", "printed", "result"),
    [({"search": 3}, "[MISSING]", 3), ({"search": 2}, "", 2), ({"search": 0}, "[FAIL] expected 0.5337", 1)],
)
def test_what_goes_wrong_is_reported_by_the_exit_code(tmp_path, monkeypatch, capsys, codes, printed, result):
    import instrerank.cli

    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "run.pocket.bm25.none.none.clean.txt").write_text("01 Q0 nothing 1 1.0 empty\n")
    monkeypatch.setattr(instrerank.cli, "main", lambda command: codes.get(command[0], 0))
    arguments = ["reproduce", "--condition", "pocket.bm25", "--output", str(tmp_path)]
    assert main(arguments) == result
    assert printed in capsys.readouterr().out
