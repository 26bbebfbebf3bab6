"""Ray and a JVM in one process."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("ray")

HANDLERS = """
import ctypes
from instrerank.anserini import start_jvm
from instrerank.jobs.cluster import connected

def handler():
    action = ctypes.create_string_buffer(256)
    ctypes.CDLL(None).sigaction(11, None, action)
    return action.raw[:8]

start_jvm()
before = handler()
with connected(gpu=False):
    assert handler() == before
assert handler() == before
"""


@pytest.mark.java
def test_ray_leaves_the_jvm_its_signal(tmp_path):
    """Fails when Ray handles SIGSEGV, by which a JVM stops its threads: a study on Ray dies while BM25 searches."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", HANDLERS], cwd=tmp_path, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]
