"""Time `evaluate`, `check` and `export` on a made-up run of MS MARCO dev's size, in turns with trec_eval's `-c -m …`.

    python benchmarks/large_runs.py [--topics 6980] [--hits 1000] [--rounds 3]

trec_eval is the binary for x86 Linux inside the Anserini jar (extra `pyserini`). Whole processes are timed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from instrerank.anserini.jvm import anserini_jar

MEASURES = ("-m", "recip_rank", "-m", "ndcg_cut.10", "-m", "recall.1000")


def write_files(folder: Path, topics: int, hits: int) -> None:
    """Write a run with docids as MS MARCO has them, and qrels with one relevant document for two of three topics."""
    rng = np.random.default_rng(1)
    with (folder / "run.txt").open("w") as run, (folder / "qrels.txt").open("w") as qrels:
        for number in range(topics):
            qid = 1000 + 149 * number
            docids = rng.choice(8_841_823, hits, replace=False).tolist()
            scores = np.sort(rng.gamma(5, 3, hits))[::-1].tolist()
            rows = enumerate(zip(docids, scores, strict=True), start=1)
            run.writelines(f"{qid} Q0 {docid} {rank} {score:.6f} Anserini\n" for rank, (docid, score) in rows)
            qrels.write(f"{qid} 0 {docids[int(rng.integers(hits))] if number % 3 else 5} 1\n")


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command; return its seconds by the clock and its peak memory in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with status {status}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    """Time the commands in turns and print their ratios to trec_eval."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("topics", 6980), ("hits", 1000), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, arguments.topics, arguments.hits)
        with zipfile.ZipFile(anserini_jar()) as jar:
            trec_eval = Path(jar.extract("trec_eval/trec_eval-linux-amd64", folder))
        trec_eval.chmod(0o755)
        run, qrels, ours = str(folder / "run.txt"), str(folder / "qrels.txt"), [sys.executable, "-m", "instrerank"]
        commands = {
            "trec_eval": [str(trec_eval), "-c", *MEASURES, qrels, run],
            "evaluate": [*ours, "evaluate", run, "--qrels", qrels, *MEASURES],
            "check": [*ours, "check", run],
            "export": [*ours, "export", run, "--to", "msmarco", "--output", str(folder / "out.tsv"), "--overwrite"],
        }
        found = [{name: timed(command) for name, command in commands.items()} for _ in range(arguments.rounds)]
    print("command    seconds  x trec_eval  peak MiB  x trec_eval")
    for name in commands:
        seconds, memory = (statistics.median(each[name][place] for each in found) for place in (0, 1))
        of_seconds, of_memory = (
            statistics.median(each[name][place] / each["trec_eval"][place] for each in found) for place in (0, 1)
        )
        print(f"{name:9} {seconds:8.2f} {of_seconds:12.2f} {memory:9.0f} {of_memory:12.2f}")


if __name__ == "__main__":
    main()
