"""Closed, full and narrow standard streams, interrupts, and a user without a home folder."""

import os
import subprocess
import sys

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


INTERRUPTED = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == sys.argv[0]:
            os.kill(os.getpid(), signal.SIGINT)

sys.argv = sys.argv[1:]
sys.meta_path.insert(0, Interrupt())
runpy.run_module("instrerank", run_name="__main__")
"""


@pytest.mark.parametrize("imported", ["instrerank.cli", "argparse", "instrerank.trec.validation"])
def test_an_interrupt_ends_with_130_and_without_traceback(imported):
    """Sent at the import of a module: of ours, within ours, and when the verb is at work."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, imported, "check", "-"], input="", capture_output=True, text=True
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_no_home_folder(monkeypatch):
    monkeypatch.delenv("INSTRERANK_CACHE", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    with pytest.raises(InputError, match="set HOME, or INSTRERANK_CACHE"):
        files.cache_folder()
