"""What reuse saves: ten query sets over the same candidates, and the speed of an attack's candidate queries.

python benchmarks/reuse.py --data DIR [--topics 4] [--rounds 3] [--dtype float32]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from work import Work, dl19

from instrerank.encoders import Encoder, load_encoder


def query_sets(work: Work) -> list[list[str]]:
    """Return the clean queries and nine other sets; what is in them is of no matter here."""
    return [[f"{text} {'x' * number}".strip() for text in work.topics.values()] for number in range(10)]


def study(encoder: Encoder, work: Work, sets: list[list[str]]) -> float:
    """Return the seconds that the sets take, each asking for its passages anew."""
    start = time.perf_counter()
    for queries in sets:
        passages = encoder.encode_passages(list(work.passages.values())).vectors
        passages @ encoder.encode_queries(queries).vectors.T
    return time.perf_counter() - start


def candidate_queries(encoder: Encoder, work: Work, rounds: int) -> float:
    """Return the queries of eight words that are encoded and scored against 100 passages a second."""
    words = sorted({word for text in work.passages.values() for word in text.split() if word.isalpha()})
    draw = np.random.default_rng(0)
    queries = [" ".join(draw.choice(words, 8)) for _ in range(2000)]
    passages = encoder.encode_passages(list(work.passages.values())[:100]).vectors
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        passages @ encoder.encode_queries(queries).vectors.T
        seconds.append(time.perf_counter() - start)
    return len(queries) / statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds dl19/")
    parser.add_argument("--topics", type=int, default=4, help="43 is the whole work")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="float32")
    arguments = parser.parse_args()
    work = dl19(arguments.data, arguments.topics)
    sets = query_sets(work)
    seconds: dict[str, list[float]] = {"one set": [], "ten sets, store empty": [], "ten sets, store warm": []}
    load_encoder("minilm", dtype=arguments.dtype, device="cpu").encode_passages(list(work.passages.values())[:64])
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            plain = load_encoder("minilm", dtype=arguments.dtype, device="cpu")
            seconds["one set"].append(study(plain, work, sets[:1]))
            for name in ("ten sets, store empty", "ten sets, store warm"):
                encoder = load_encoder("minilm", dtype=arguments.dtype, device="cpu", store=Path(folder) / "store")
                seconds[name].append(study(encoder, work, sets))
    base = statistics.median(seconds["one set"])
    print(f"{len(work.topics)} topics, {len(work.passages)} passages, {arguments.dtype}")
    for name, times in seconds.items():
        print(f"{name}: {statistics.median(times):.2f} s, {statistics.median(times) / base:.3f} of one set")
    threads = torch.get_num_threads()
    speed = candidate_queries(plain, work, arguments.rounds)
    print(f"queries of 8 words: {speed:.0f} a second, {speed / threads:.0f} a second and core")


if __name__ == "__main__":
    main()
