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
from work import Work, dl19, in_rotation

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


def candidate_queries(encoder: Encoder, work: Work, rounds: int) -> tuple[float, float]:
    """Encode queries of eight words and score them against 100 passages.

    Returns:
        queries a second by the clock, and a second of processor time, which is that of one core.
    """
    words = sorted({word for text in work.passages.values() for word in text.split() if word.isalpha()})
    draw = np.random.default_rng(0)
    queries = [" ".join(draw.choice(words, 8)) for _ in range(2000)]
    passages = encoder.encode_passages(list(work.passages.values())[:100]).vectors

    def turn() -> None:
        passages @ encoder.encode_queries(queries).vectors.T

    times = in_rotation({"queries": turn}, rounds)["queries"]
    return len(queries) / statistics.median(times.clock), len(queries) / statistics.median(times.processor)


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
    load_encoder("minilm", dtype=arguments.dtype, device="cpu", store=None).encode_passages(
        list(work.passages.values())[:64]
    )
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            plain = load_encoder("minilm", dtype=arguments.dtype, device="cpu", store=None)
            seconds["one set"].append(study(plain, work, sets[:1]))
            for name in ("ten sets, store empty", "ten sets, store warm"):
                encoder = load_encoder("minilm", dtype=arguments.dtype, device="cpu", store=Path(folder) / "store")
                seconds[name].append(study(encoder, work, sets))
    base = statistics.median(seconds["one set"])
    print(f"{len(work.topics)} topics, {len(work.passages)} passages, {arguments.dtype}")
    for name, times in seconds.items():
        print(f"{name}: {statistics.median(times):.2f} s, {statistics.median(times) / base:.3f} of one set")
    by_clock, by_core = candidate_queries(plain, work, arguments.rounds)
    print(f"queries of 8 words: {by_clock:.0f} a second by the clock, {by_core:.0f} a second of one core")


if __name__ == "__main__":
    main()
