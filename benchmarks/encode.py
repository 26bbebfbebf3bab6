"""Encode queries and passages: this engine's precisions beside sentence-transformers and a plain loop.

    python benchmarks/encode.py --data DIR [--topics 4] [--rounds 5] [--shape minilm] [--variants st,float32,…]

Variants: `st` (sentence-transformers, one `encode` over all), `loop` (transformers, query by query), `cascade`
(bfloat16, float32 for those near the top 10), and any dtype of `load_encoder`, optionally with a token budget
("bfloat16:2048"). Ratios are of medians; of the best rounds, which other programs disturb less (the share of the GEMM
peak is of the best round too); and of the medians of processor time. Peak memory is that of a process of its own, over
4 topics. Orders, τ and nDCG@10 are compared with the first variant's; "but for ties" counts the topics in which no two
passages stand the other way round whose scores there are more than 1e-6 apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from work import SHAPES, Work, dl19, flops, gemm_peak, in_rotation, model_folder, peak_memory, ratio

Scores = dict[str, np.ndarray]
AS_ST: dict[str, Any] = {"pooling": "mean", "query_template": "{q}", "passage_template": "{d}"}
"""The texts and the pooling of all-MiniLM-L6-v2, whatever the family of the shape."""
Run = Callable[[Work], Scores]
TIE = 1e-6
"""Float32 scores of one text differ by so much between implementations, and between batches of one of them."""


def engine(folder: Path, variant: str) -> Run:
    from instrerank.encoders import load_encoder

    dtype, _, budget = variant.partition(":")
    encoder = load_encoder(
        folder, dtype=dtype, device="cpu", batch_tokens=int(budget) if budget else None, store=None, **AS_ST
    )

    def run(work: Work) -> Scores:
        passages = encoder.encode_passages(list(work.passages.values())).vectors
        return scores(work, encoder.encode_queries(list(work.topics.values())).vectors, passages)

    return run


def sentence_transformers(folder: Path) -> Run:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")

    def run(work: Work) -> Scores:
        vectors = model.encode([*work.topics.values(), *work.passages.values()], batch_size=32)
        return scores(work, vectors[: len(work.topics)], vectors[len(work.topics) :])

    return run


def loop(folder: Path) -> Run:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    longest = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]

    def encode(texts: list[str]) -> torch.Tensor:
        found = []
        for start in range(0, len(texts), 32):
            part = texts[start : start + 32]
            tokens = tokenizer(part, padding=True, truncation=True, max_length=longest, return_tensors="pt")
            mask = tokens["attention_mask"].unsqueeze(2)
            states = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
            found.append((states * mask).sum(1) / mask.sum(1))
        return torch.nn.functional.normalize(torch.cat(found))

    def run(work: Work) -> Scores:
        rows = {}
        with torch.inference_mode():
            queries = torch.cat([encode([text]) for text in work.topics.values()])
            for docids in work.candidates.values():
                rows |= dict(zip(docids, encode([work.passages[docid] for docid in docids]), strict=True))
        passages = torch.stack([rows[docid] for docid in work.passages])
        return scores(work, queries.numpy(), passages.numpy())

    return run


def cascade(folder: Path) -> Run:
    from instrerank.encoders import load_scorer

    both = load_scorer(folder, dtype="cascade", device="cpu", store=None, **AS_ST)

    def run(work: Work) -> Scores:
        row = {docid: at for at, docid in enumerate(work.passages)}
        rows = [[row[docid] for docid in docids] for docids in work.candidates.values()]
        prepared = both.prepare([(text, "") for text in work.topics.values()], list(work.passages.values()))
        found = both.score(prepared, range(len(rows)), rows)
        return dict(zip(work.candidates, found.scores, strict=True))

    return run


def scores(work: Work, queries: np.ndarray, passages: np.ndarray) -> Scores:
    from instrerank.encoders.similarity import dot_products

    row = {docid: at for at, docid in enumerate(work.passages)}
    return {
        qid: dot_products(passages[[row[docid] for docid in docids]], query)
        for query, (qid, docids) in zip(queries, work.candidates.items(), strict=True)
    }


def quality(work: Work, base: Scores, other: Scores) -> str:
    """Compare rankings: same orders, the same but for ties, same top 10, Kendall's τ, nDCG@10."""
    import pytrec_eval
    from scipy.stats import kendalltau

    def order(qid: str, found: np.ndarray) -> list[int]:
        docids = work.candidates[qid]
        return sorted(range(len(docids)), key=lambda at: (found[at], docids[at]), reverse=True)

    def ndcg(found: Scores) -> float:
        runs = {qid: dict(zip(work.candidates[qid], map(float, one), strict=True)) for qid, one in found.items()}
        judged = pytrec_eval.RelevanceEvaluator(work.qrels, {"ndcg_cut.10"}).evaluate(runs)
        return statistics.mean(one["ndcg_cut_10"] for one in judged.values())

    def same_but_for_ties(qid: str) -> bool:
        ranked = base[qid][order(qid, other[qid])]
        best_below = np.maximum.accumulate(ranked[::-1])[::-1]
        return bool((best_below - ranked).max() <= TIE)

    same = sum(order(qid, base[qid]) == order(qid, other[qid]) for qid in base)
    alike = sum(map(same_but_for_ties, base))
    tau = statistics.mean(kendalltau(base[qid], other[qid]).statistic for qid in base)
    kept = sum(order(qid, base[qid])[:10] == order(qid, other[qid])[:10] for qid in base)
    counts = " | ".join(f"{count}/{len(base)}" for count in (same, alike, kept))
    return f"{counts} | {tau:.4f} | {ndcg(other):.4f} ({ndcg(other) - ndcg(base):+.4f})"


def lengths(work: Work, folder: Path) -> list[int]:
    """Return the tokens of every text."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"])
    return [len(one.ids) for one in tokenizer.encode_batch([*work.passages.values(), *work.topics.values()])]


def peak_of(variant: str, folder: Path, data: Path) -> str:
    """Return the most memory of a process that loads one variant and encodes four topics."""
    command = [sys.executable, __file__, "--data", data, "--variants", variant, "--peak-of", folder]
    return subprocess.check_output(command, text=True).splitlines()[-1]


def runner(variant: str, folder: Path) -> Run:
    makers = {"st": sentence_transformers, "loop": loop, "cascade": cascade}
    return makers.get(variant, partial(engine, variant=variant))(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds dl19/")
    parser.add_argument("--topics", type=int, default=4, help="43 is the whole work")
    parser.add_argument("--depth", type=int, default=100, help="passages a topic")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", choices=SHAPES, default="minilm", help="but minilm, random weights")
    parser.add_argument("--model", metavar="FOLDER", type=Path, help="a model that pools by the mean, not a shape")
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True, help="measure peak memory")
    parser.add_argument("--variants", default="st,loop,float32,bfloat16,int8,cascade")
    parser.add_argument("--peak-of", metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = dl19(arguments.data, arguments.topics, arguments.depth)
    if arguments.peak_of:
        runner(arguments.variants, arguments.peak_of)(work)
        print(peak_memory())
        return
    threads = torch.get_num_threads()
    names = arguments.variants.split(",")
    with tempfile.TemporaryDirectory() as parent:
        folder = arguments.model or model_folder(arguments.shape, Path(parent))
        runners = {name: runner(name, folder) for name in names}
        peaks_of_memory = {name: peak_of(name, folder, arguments.data) if arguments.memory else "" for name in names}
        operations = flops(folder, lengths(work, folder))
    found: dict[str, Scores] = {}

    def keep(name: str) -> None:
        found[name] = runners[name](work)

    short = dl19(arguments.data, 1, min(arguments.depth, 20))
    for name in names:  # warm up
        runners[name](short)
    times = in_rotation({name: partial(keep, name) for name in names}, arguments.rounds)
    peaks = {dtype: gemm_peak(getattr(torch, dtype), threads) for dtype in ("float32", "bfloat16")}
    first = names[0]
    print(f"{folder.name}, {len(work.topics)} topics, {len(work.passages)} passages, {threads} threads")
    print("GEMM peak: " + ", ".join(f"{name} {peak / 1e9:.0f} GFLOP/s" for name, peak in peaks.items()))
    print(
        f"| variant | s | × {first} | best × {first} | processor × {first} | share of GEMM peak | peak memory "
        "| same order | but for ties | same top 10 | τ | nDCG@10 |"
    )
    for name, (clock, processor) in times.items():
        dtype = {"st": "float32", "loop": "float32"}.get(name, name.partition(":")[0])
        share = f"{operations / min(clock) / peaks[dtype]:.0%}" if dtype in peaks else ""
        print(
            f"| {name} | {statistics.median(clock):.2f} | {ratio(times[first].clock, clock):.2f} "
            f"| {min(times[first].clock) / min(clock):.2f} | {ratio(times[first].processor, processor):.2f} "
            f"| {share} | {peaks_of_memory[name]} | {quality(work, found[first], found[name])} |"
        )


if __name__ == "__main__":
    main()
