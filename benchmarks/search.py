"""`instrerank search` against `python -m pyserini.search.lucene`: wall-clock time from command line to run file.

python benchmarks/search.py --index indexes/pool --topics ../shared/data/dl19/topics.tsv

Both search the same index for the same topics, in turns, so that what else the machine does hits both. Both get
the same JVM: on a machine without a Java 21, Pyserini's command does not start at all without ours.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

PYSERINI = """
import runpy
from instrerank.anserini import start_jvm
start_jvm()
runpy.run_module("pyserini.search.lucene", run_name="__main__", alter_sys=True)
"""
COMMANDS = {
    "instrerank search": [sys.executable, "-m", "instrerank", "search"],
    "pyserini.search.lucene": [sys.executable, "-c", PYSERINI, "--bm25"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", required=True)
    parser.add_argument("--topics", required=True)
    parser.add_argument("--hits", default="1000")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        search = ["--index", arguments.index, "--topics", arguments.topics, "--hits", arguments.hits]
        for round_ in range(arguments.rounds + 1):
            for name, command in COMMANDS.items():
                started = time.perf_counter()
                subprocess.run([*command, *search, "--output", f"{folder}/run"], check=True, capture_output=True)
                if round_:  # the first round fills the file cache
                    seconds[name].append(time.perf_counter() - started)

    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(f"{name:24}median {medians[name]:6.2f} s  of {' '.join(f'{value:.2f}' for value in values)}")
    ratios = sorted(ours / theirs for ours, theirs in zip(*seconds.values(), strict=True))
    print(f"ratio of the medians {medians['instrerank search'] / medians['pyserini.search.lucene']:.3f}, ", end="")
    print(f"of pairs {ratios[0]:.3f} to {ratios[-1]:.3f} (target: at most 1/3)")


if __name__ == "__main__":
    main()
