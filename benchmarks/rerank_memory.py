"""Measure `rerank` on a made-up run of MS MARCO dev's size: time, peak memory, and reading beside a plain lookup.

    python benchmarks/rerank_memory.py --folder DIR [--topics 6980] [--hits 1000] [--passages 1000000]

The vectors of all passages are made up too, and put into a store by its own API, so that only queries are encoded. The
files stay in the folder for the next call.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import instrerank
from instrerank.collections import PassageFile
from instrerank.collections.candidate_texts import CandidateTexts
from instrerank.encoders.encoded import Encoded
from instrerank.jobs.described import described_texts

BLOCK = 50_000


def texts_of(block: int, count: int) -> list[str]:
    """Return the made-up passages of a block, about 350 characters each."""
    rng = np.random.default_rng([1, block])
    letters = rng.integers(97, 123, (20_000, 8), dtype=np.uint8)
    words = [bytes(word[: 2 + number % 7]).decode() for number, word in enumerate(letters)]
    lengths = rng.integers(40, 80, count)
    chosen = iter(rng.integers(0, len(words), int(lengths.sum())).tolist())
    return [" ".join([words[next(chosen)] for _ in range(length)]) for length in lengths.tolist()]


def write_files(folder: Path, topics: int, hits: int, passages: int) -> None:
    """Write a corpus, its vectors, topics and a run."""
    encoder = instrerank.load_encoder("minilm", store=folder / "store")
    assert encoder.store is not None
    rng = np.random.default_rng(2)
    with (folder / "passages.jsonl").open("w") as corpus:
        for start in range(0, passages, BLOCK):
            texts = texts_of(start, min(BLOCK, passages - start))
            corpus.writelines(
                json.dumps({"id": str(start + row), "contents": text}) + "\n" for row, text in enumerate(texts)
            )
            vectors = rng.standard_normal((len(texts), encoder.dimension), np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            # minilm has no template: what the store knows is the passage itself
            encoder.store.add(texts, Encoded(vectors, np.full(len(texts), 80), np.zeros(len(texts), bool)))
    with (folder / "topics.tsv").open("w") as queries, (folder / "run.txt").open("w") as run:
        for number in range(topics):
            queries.write(f"{1000 + number}\twhat is made up number {number}\n")
            docids = rng.choice(passages, hits, replace=False).tolist()
            scores = np.sort(rng.gamma(5, 3, hits))[::-1].tolist()
            rows = enumerate(zip(docids, scores, strict=True), start=1)
            run.writelines(
                f"{1000 + number} Q0 {docid} {rank} {score:.6f} Anserini\n" for rank, (docid, score) in rows
            )


def plain_lookup(path: Path, wanted: Iterable[str]) -> dict[str, str]:
    """Return the texts of some docids, as one would write it for one file."""
    docids, texts = set(wanted), {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if record["id"] in docids:
                texts[record["id"]] = record["contents"]
    return texts


def time_reading(corpus: Path, passages: int, rounds: int) -> None:
    """Print the processor time of reading the texts of a million candidates, in turns with a plain lookup."""
    drawn = np.random.default_rng(3).integers(0, passages, 1_000_000).tolist()
    wanted = list(dict.fromkeys(map(str, drawn)))
    source = PassageFile(corpus)
    for _ in range(rounds):
        seconds = []
        for read in (
            lambda: plain_lookup(corpus, wanted),
            lambda: source.lookup(wanted),
            lambda: CandidateTexts(source, wanted),
            lambda: described_texts("", CandidateTexts(source, wanted)),
        ):
            start = time.process_time()
            read()
            seconds.append(time.process_time() - start)
        ratios = ", ".join(f"{each / seconds[0]:.2f}" for each in seconds[1:])
        print(f"reading {len(wanted)} texts: plain {seconds[0]:.2f} s; lookup, to disk, hashed: {ratios} times that")


def main() -> None:
    """Make the files if they are missing, rerank, and print time and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    for name, default in (("topics", 6980), ("hits", 1000), ("passages", 1_000_000), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    folder, output = arguments.folder, arguments.folder / "reranked.txt"
    if not (folder / "run.txt").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_files(folder, arguments.topics, arguments.hits, arguments.passages)
    time_reading(folder / "passages.jsonl", arguments.passages, arguments.rounds)
    command = [sys.executable, "-m", "instrerank", "rerank", "--run", folder / "run.txt", "--overwrite"]
    command += ["--topics", folder / "topics.tsv", "--corpus", folder / "passages.jsonl", "--output", output]
    command += ["--encoder", "minilm", "--store", folder / "store", "--hits", str(arguments.hits)]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"rerank ended with status {status}")
    seconds = time.perf_counter() - start
    print(f"rerank: {seconds:.0f} s, {usage.ru_utime + usage.ru_stime:.0f} s of processor, "
          f"peak {usage.ru_maxrss / 1024:.0f} MiB")  # fmt: skip
    print(Path(f"{output}.yaml").read_text("utf-8").partition("  seconds:\n")[2])


if __name__ == "__main__":
    main()
