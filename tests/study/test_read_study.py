"""The notebook of docs/ about a study's tables runs unchanged."""

import re
import subprocess
import sys
from pathlib import Path

from invented import SYSTEMS, write_study

SCRIPT = Path(__file__).parents[2] / "docs" / "read_study.py"


def test_what_the_worst_query_costs(tmp_path):
    folder = write_study(tmp_path / "studies" / "pocket")
    done = subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    costs = re.findall(r"^(\S+): ([\d.]+) -> ([\d.]+), ", done.stdout, re.MULTILINE)
    assert {system for system, *_ in costs} >= {"/".join(system) for system in SYSTEMS}
    assert all(worst <= clean for _, clean, worst in costs)
    assert (folder / "worst-case.png").stat().st_size > 0
