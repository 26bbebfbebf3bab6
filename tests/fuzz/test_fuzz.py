"""A short run of the fuzzer; `make fuzz` is the long one."""

import logging
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fuzz
import targets


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.root.manager, "disable", logging.WARNING)
    return tmp_path


def test_damaged_inputs_end_in_a_message(folder):
    failures = []
    counts = fuzz.fuzz(5 * len(targets.TARGETS), 1, folder, failures.append)
    assert failures == []
    assert {outcome for _, outcome in counts} <= {"0", "2", "3"}


def test_the_undamaged_inputs_are_valid(folder, capsys):
    """Else faults would hide behind an error that is always there."""
    targets.make_folder(folder)
    valid = fuzz._snapshot(folder)
    refused = set()
    for call in sorted({call for target in targets.TARGETS for call in target.calls if isinstance(call, str)}):
        if fuzz._outcome(call) != "0":
            refused.add(call)
        fuzz._restore(folder, valid)
    # MS MARCO's docids are numbers, and requests are no kind of file that `check` knows
    assert refused == {"export run.txt --to msmarco --output out/run.txt", "check requests.jsonl"}
