"""Closed, full and narrow standard streams, interrupts, and a user without a home folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from instrerank import files
from instrerank.errors import InputError

COMMAND = [sys.executable, "-m", "instrerank"]


@pytest.fixture
def evaluate(tmp_path):
    (tmp_path / "run.txt").write_text("1 Q0 a 1 2.0 bm25\n")
    (tmp_path / "qrels.txt").write_text("1 0 a 1\n")
    return [*COMMAND, "evaluate", "--qrels", str(tmp_path / "qrels.txt"), str(tmp_path / "run.txt")]


def shell(command, redirection):
    line = " ".join(command) + f" {redirection}"
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("redirection", "reason"), [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_results_that_cannot_be_written_are_an_error(evaluate, redirection, reason):
    done = shell(evaluate, redirection)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(f"cannot read or write standard output: {reason}")
    help_ = shell([*COMMAND, "rerank", "--help"], redirection)
    assert help_.returncode in (0, 2)  # argparse itself is silent about what it cannot print
    assert "Traceback" not in help_.stderr and "Exception ignored" not in help_.stderr


def test_a_closed_standard_error_is_nobodys_loss(evaluate):
    done = shell(evaluate, "2>&- <&-")
    assert done.returncode == 0
    assert "1.0000" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_narrow_encoding(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([*COMMAND, "study", "--help"], capture_output=True, env=environment)
    assert done.returncode == 0
    assert (b"encoders x instructions" if encoding == "ascii" else b"encoders \xd7 instructions") in done.stdout


@pytest.mark.parametrize("after", [0.06, 0.3])
def test_an_interrupt_ends_with_130_and_without_traceback(evaluate, after):
    process = subprocess.Popen([*COMMAND, "check", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # not before Python itself has set up its own handler: nothing of ours runs by then
    while "SigCgt" not in (status := Path(f"/proc/{process.pid}/status").read_text()) or not int(
        status.split("SigCgt:")[1].split()[0], 16
    ) & (1 << (signal.SIGINT - 1)):
        time.sleep(0.005)
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_no_home_folder(monkeypatch):
    monkeypatch.delenv("INSTRERANK_CACHE", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    with pytest.raises(InputError, match="set HOME, or INSTRERANK_CACHE"):
        files.cache_folder()
