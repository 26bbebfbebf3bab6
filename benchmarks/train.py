"""Training steps against sentence-transformers' MultipleNegativesRankingLoss, and memory with cached gradients.

python benchmarks/train.py [--rounds 5] [--batch 32]     # triples a second, the two in turns, as a ratio
python benchmarks/train.py --peak [--batch 256]          # peak memory of one step, each way in a process of its own
python benchmarks/train.py --presets [--batch 4]         # the paper's three architectures, random weights (rows)

The first two train all weights of minilm on the same triples (of `pocket`'s passages) with the same loss: InfoNCE over
the batch's passages and hard negatives, temperature 0.05; forward, backward, AdamW.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from work import model_folder

from instrerank.collections import open_passages
from instrerank.encoders.loading import find_model
from instrerank.training.models import load_trainable
from instrerank.training.objectives import Objective
from instrerank.training.rows import Row, Triple
from instrerank.training.sampling import Sampler
from instrerank.training.step import batch_loss


def triples(count):
    texts = [passage.text for passage in open_passages("pocket")]
    return [
        Triple(" ".join(text.split()[:8]), "", text, (texts[(at + 7) % len(texts)],))
        for at, text in enumerate((texts * (1 + count // len(texts)))[:count])
    ]


def ours(batch, cache=False):
    model = load_trainable(find_model("minilm"), cache_gradients=cache).train()
    objective = Objective(terms=("P",))
    made = Sampler(objective)([Row(str(at), (triple,)) for at, triple in enumerate(batch)])
    return _step(model, lambda: batch_loss(objective, made, *model(made.pairs, made.passages)))


def theirs(batch):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    model = SentenceTransformer(str(find_model("minilm").folder), device="cpu").train()
    loss = MultipleNegativesRankingLoss(model, scale=20.0)
    columns = [[t.query for t in batch], [t.passage for t in batch], [t.negatives[0] for t in batch]]
    return _step(model, lambda: loss([model.preprocess(column) for column in columns], None))


def _step(model, loss):
    optimizer = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], lr=2e-5)

    def step():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def throughput(batch, rounds):
    steps = {"instrerank": ours(batch), "sentence-transformers": theirs(batch)}
    seconds = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(each[1:]) for name, each in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {len(batch) / median:.1f} triples/s")
    print(f"ratio {medians['sentence-transformers'] / medians['instrerank']:.2f}")


def peak(batch, way):
    model_only = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step = ours(batch, cache=way == "cached")
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    step()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{way}: +{(most - loaded) / 2**20:.2f} GiB over {max(loaded, model_only) / 2**20:.2f}, "
          f"{time.perf_counter() - began:.1f} s")  # fmt: skip


def presets(batch, steps=3):
    """Run `instrerank train --preset inf-embed` on networks with random weights and minilm's tokenizer."""
    passages = [passage.text for passage in open_passages("pocket")]
    rows = [
        {
            "query_positive": " ".join(text.split()[:8]),
            "instruction_positive": f"Relevant passages explain the cause. {other}",
            "query_negative": " ".join(other.split()[:8]),
            "instruction_negative": f"Relevant passages give a recipe. {text}",
            "document_positive": text,
            "hard_negative_document_1": other,
            "hard_negative_document_2": third,
        }
        for text, other, third in zip(passages, passages[1:], passages[2:], strict=False)
    ]
    with tempfile.TemporaryDirectory() as parent:
        data = Path(parent) / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        for shape in ("e5-base", "modernbert-base", "e5-large"):
            output = Path(parent) / f"{shape}.trained"
            command = [sys.executable, "-m", "instrerank", "train", "--preset", "inf-embed", "--device", "cpu"]
            command += ["--data", data, "--encoder", model_folder(shape, Path(parent)), "--output", output]
            command += ["--batch-size", str(batch), "--max-steps", str(steps), "--save-steps", "1000"]
            process = subprocess.Popen(command)
            _, status, used = os.wait4(process.pid, 0)
            if status:
                sys.exit(f"{shape}: status {status}")
            seconds = json.loads((output / "log.jsonl").read_text().splitlines()[-1])["train_runtime"] / steps
            print(
                f"{shape}: {seconds:.1f} s a step of {3 * batch} triples, peak {used.ru_maxrss / 2**20:.1f} GiB",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--peak", nargs="?", const="both", choices=("both", "plain", "cached"))
    parser.add_argument("--presets", action="store_true")
    arguments = parser.parse_args()
    if arguments.presets:
        presets(arguments.batch)
    elif arguments.peak == "both":
        for way in ("plain", "cached"):
            subprocess.run([sys.executable, __file__, "--batch", str(arguments.batch), "--peak", way], check=True)
    elif arguments.peak:
        peak(triples(arguments.batch), arguments.peak)
    else:
        throughput(triples(arguments.batch), arguments.rounds)


if __name__ == "__main__":
    main()
