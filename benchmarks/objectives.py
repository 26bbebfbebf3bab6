"""What InF-Embed's terms cost, and whether they compete (arXiv 2505.21439).

python benchmarks/objectives.py cost      # query-side texts and seconds of a step for growing B and y, with the slope
python benchmarks/objectives.py compete   # cosine of the gradients of the terms, uni and multi, over training

Rows are those of `constrain` over `pocket`, the encoder is minilm, all weights are trained. The cost is O(B · y) by
count; the exponent of the seconds is the slope of a line through their logarithms.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from itertools import combinations

import numpy as np
import torch

from instrerank.collections import open_passages
from instrerank.encoders.loading import find_model
from instrerank.jobs.constrain import constrain
from instrerank.training.models import load_trainable
from instrerank.training.objectives import Objective
from instrerank.training.rows import constraint_rows
from instrerank.training.sampling import Sampler
from instrerank.training.step import batch_loss

TERMS = ("P", "IQ", "I", "Q")


def rows_of_pocket():
    """Return rows of two triples: a rule and its opposite."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, 4):
            constrain("pocket", "pocket", corpus="pocket", seed=seed, output=f"{folder}/{seed}")
            rows += constraint_rows(f"{folder}/{seed}", open_passages("pocket").lookup)
    return rows


def gradient(model, loss):
    model.zero_grad()
    loss.backward(retain_graph=True)
    return torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])


def cost(rows, rounds):
    """Time a step for each B (triples of a batch) and y (instructions of a query)."""
    objective, points = Objective(terms=("P", "I")), []
    model = load_trainable(find_model("minilm")).train()
    for size in (4, 8, 16):
        for y in (2, 4, 8):
            batch = Sampler(objective, y)(rows[:size])
            seconds = []
            for _ in range(rounds + 1):
                began = time.perf_counter()
                batch_loss(objective, batch, *model(batch.pairs, batch.passages)).backward()
                seconds.append(time.perf_counter() - began)
            points.append((len(batch.queries), y, len(batch.pairs), statistics.median(seconds[1:])))
            print("B {} triples, y {}: {} query-side texts, {:.2f} s a step".format(*points[-1]), flush=True)
    counts, times = (np.log([point[at] for point in points]) for at in (2, 3))
    products = np.log([b * y for b, y, _, _ in points])
    print(f"slope of log(query-side texts) over log(B y): {np.polyfit(products, counts, 1)[0]:.2f}")
    print(f"slope of log(seconds) over log(query-side texts): {np.polyfit(counts, times, 1)[0]:.2f}")


def compete(rows, steps, size):
    """Print cosines of the terms' gradients at steps of training with all terms, each form from the same start."""
    for form in ("multi", "uni"):
        objective = Objective(form=form, terms=TERMS)
        model = load_trainable(find_model("minilm")).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5)
        cosines = {pair: [] for pair in combinations(TERMS, 2)}
        for step in range(steps):
            at = step * size % (len(rows) - size)
            batch = Sampler(objective, 2)(rows[at : at + size])
            vectors = model(batch.pairs, batch.passages)
            grads = {
                term: gradient(model, batch_loss(replace(objective, terms=(term,)), _only(batch, term), *vectors))
                for term in TERMS
            }
            for pair in cosines:
                cosines[pair].append(float(torch.cosine_similarity(*(grads[each] for each in pair), dim=0)))
            optimizer.zero_grad()
            batch_loss(objective, batch, *vectors).backward()
            optimizer.step()
        for (one, other), found in cosines.items():
            first, last = np.mean(found[:5]), np.mean(found[-5:])
            negative = np.mean([each < 0 for each in found])
            print(
                f"{form} {one}–{other}: first five steps {first:.2f}, last five {last:.2f}, below 0 in {negative:.0%}"
            )


def _only(batch, term):
    return replace(batch, drawn={name: drawn for name, drawn in batch.drawn.items() if name == term})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("cost", "compete"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=8)
    arguments = parser.parse_args()
    rows = rows_of_pocket()
    print(f"{len(rows)} rows")
    if arguments.what == "cost":
        cost(rows, arguments.rounds)
    else:
        compete(rows, arguments.steps, arguments.batch)


if __name__ == "__main__":
    main()
