"""Train the adapter `instrerank-minilm`: queries and instructions learn the vectors that they should have.

python recipes/instrerank_minilm/train.py --data DATA --output DIR    (see README.md beside this)

One loss for everything: the divergence of the adapter's scores over all passages from those of the vector that a query
should have. For a misspelt query that is the base model's vector of the query as it is, and so for a query with an
instruction that asks for nothing more; a rule on passages moves that vector along the rule's direction (teacher.py).
Nothing of TREC 2019 takes part: no topic, judgement or passage. DATA's terms hold for what comes out: MS MARCO text is
for non-commercial research.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from examples import Draws, Examples, read_passages, read_queries
from queries import question
from safetensors.torch import load_file, save_file
from teacher import Teacher
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import kl_div, linear, normalize
from tqdm import tqdm

from instrerank.encoders import load_encoder
from instrerank.encoders.batching import padded
from instrerank.encoders.loading import ModelFiles, find_model
from instrerank.encoders.texts import EncoderText, passage_text, query_text
from instrerank.training.models import Lora, load_trainable, save_trained
from instrerank.training.network import TrainableEncoder

TEMPERATURE = 0.05
RANK = 22
SHORT = 0.6
"""Share of a batch that is padded apart from the longer texts."""


class Stage(NamedTuple):
    """One of the two runs.

    Attributes:
        draws: kinds of examples.
        made: queries made of passages.
        rate, warmup: the learning rate rises over so many steps, then falls to nothing along a half cosine.
        batch, steps: how much of it.
    """

    draws: Draws
    made: int
    rate: float
    warmup: int
    batch: int
    steps: int


FIRST = Stage(
    Draws(0.1, {"misspelt": 0.42, "clean": 0.15, "rule": 0.26, "neutral": 0.07, "topical": 0.1}),
    *(150_000, 1e-3, 200, 512, 12_008),
)
SECOND = Stage(
    Draws(0.2, {"misspelt": 0.34, "clean": 0.15, "rule": 0.36, "neutral": 0.08, "topical": 0.07}),
    *(20_000, 3e-4, 30, 160, 196),
)
NEAR, ANY = 3, 128
"""Passages of a step where passages are trained too: so many near each query and so many others."""
CARD = """---
base_model: "minilm"
library_name: "peft"
---
LoRA adapter for queries of `minilm`, trained by `recipes/instrerank_minilm` of instrerank on MS MARCO passages and
queries (terms: non-commercial research) and InstructIR's instructions (MIT).
"""


Tokens = tuple[torch.Tensor, torch.Tensor]
"""Ids and mask [n, length] of texts."""


class Batch(NamedTuple):
    """Queries with instructions, the vectors wanted [n, d], and passages with their row numbers, if any."""

    queries: list[Tokens]
    wanted: torch.Tensor
    passages: list[Tokens]
    rows: torch.Tensor


class Batches(torch.utils.data.Dataset[Batch]):
    """The batch of each step, whoever makes it."""

    def __init__(self, examples: Examples, model: TrainableEncoder, texts: Sequence[str], size: int, steps: int):
        self._examples, self._model, self._texts, self._size, self._steps = examples, model, texts, size, steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, step: int) -> Batch:
        rng, profile = random.Random(step), self._model.profile
        batch = list(islice(self._examples.draw(rng), self._size))
        told = [query_text(profile, each.query, each.instruction) for each in batch]
        queries, order = self._by_length(told, profile.max_query_length)
        rows: list[int] = []
        if profile.adapter_side == "both":
            near = {int(row) for each in batch for row in rng.sample(list(self._examples.nearest[each.at]), NEAR)}
            rows = sorted(near | set(rng.sample(range(len(self._texts)), ANY)))
        passages, places = self._by_length([passage_text(profile, self._texts[row]) for row in rows], 160)
        wanted = torch.from_numpy(np.stack([batch[at].wanted for at in order]))
        return Batch(queries, wanted, passages, torch.tensor([rows[at] for at in places], dtype=torch.long))

    def _by_length(self, texts: Sequence[EncoderText], longest: int) -> tuple[list[Tokens], list[int]]:
        """Return the shorter and the longer texts apart, and their order: padding costs as much as words."""
        if not texts:
            return [], []
        ids = [each.ids for each in self._model.tokenizer.encode(texts, longest)]
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        cut = int(SHORT * len(order))
        return [padded([torch.tensor(ids[at]) for at in part]) for part in (order[:cut], order[cut:])], order


def merging_layers(network: torch.nn.Module) -> list[Any]:
    """Return a LoRA adapter's layers, made to multiply by `whole`, W + BA, which `merge` sets."""
    import peft

    layers: list[Any] = [each for each in network.modules() if isinstance(each, peft.tuners.lora.LoraLayer)]
    for layer in layers:
        layer.forward = partial(_forward, layer)
    return layers


def _forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    return linear(x, layer.whole, layer.base_layer.bias)


def merge(layers: Sequence[Any]) -> None:
    """Set W + BA of each layer, as bfloat16."""
    for layer in layers:
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        layer.whole = torch.addmm(layer.base_layer.weight, b, a, alpha=layer.scaling["default"]).bfloat16()


def encode(model: TrainableEncoder, groups: Sequence[Tokens], device: str) -> torch.Tensor:
    """Return the vectors [n, d] of texts, by `minilm`'s pooling."""
    found = []
    for group in groups:
        ids, mask = (each.to(device, non_blocking=True) for each in group)
        with torch.autocast(device, torch.bfloat16):
            states = model.network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        real = mask[..., None].float()
        found.append((states.float() * real).sum(1) / real.sum(1))
    return normalize(torch.cat(found))


def save(model: TrainableEncoder, files: ModelFiles, folder: Path) -> None:
    """Write the adapter, its weights in half precision."""
    save_trained(model, files, folder, CARD)
    weights = folder / "adapter_model.safetensors"
    save_file({name: value.half() for name, value in load_file(weights).items()}, weights, {"format": "pt"})
    weights.chmod(0o644)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with pool/, instructir/, dl22/ and dl19/")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="adapter of the first stage: train the second")
    parser.add_argument("--steps", type=int, help="fewer than the stage's")
    parser.add_argument("--side", choices=["query", "both"], default="query")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 1) - 2))
    arguments = parser.parse_args()

    started = time.monotonic()
    stage = SECOND if arguments.start else FIRST
    steps = arguments.steps or stage.steps
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    texts = read_passages(arguments.data)
    _, queries, stories = read_queries(arguments.data)
    real, rng = len(queries), random.Random(1)
    while len(queries) < real + stage.made:
        made = question(rng.choice(texts), rng)
        queries += [made] if made else []
    base = load_encoder("minilm", device=device)
    teacher = Teacher(texts, base.encode_passages(texts, progress=True).vectors)
    vectors = base.encode_queries(queries).vectors
    examples = Examples(queries, real, stories, texts, teacher, vectors, stage.draws, device)
    files = find_model("minilm")
    lora = Lora(rank=RANK, alpha=RANK, side=arguments.side)
    model = load_trainable(files, lora=lora).eval().to(device)  # no dropout
    if arguments.start:
        import peft

        peft.set_peft_model_state_dict(model.network, load_file(arguments.start / "adapter_model.safetensors"))
    layers = merging_layers(model.network)
    print(f"{len(texts)} passages, {len(queries)} queries: {time.monotonic() - started:.0f} s", flush=True)

    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=0, fused=True)
    passages = torch.from_numpy(teacher.vectors).to(device)
    batches = torch.utils.data.DataLoader(
        Batches(examples, model, texts, stage.batch, steps),
        batch_size=None,
        num_workers=arguments.workers,
        prefetch_factor=4,
        pin_memory=device == "cuda",
        multiprocessing_context="fork",  # what is read already is shared
    )
    # flash attention's backward pass over a few tokens takes as long on a CPU as all products of matrices
    attention = nullcontext() if device == "cuda" else sdpa_kernel(SDPBackend.MATH)
    losses: list[torch.Tensor] = []
    with attention, tqdm(batches, unit="step", disable=None) as bar:
        for step, batch in enumerate(bar, 1):
            rate = stage.rate * min(step / stage.warmup, 0.5 + 0.5 * math.cos(math.pi * step / steps))
            optimizer.param_groups[0]["lr"] = rate
            wanted, rows = (each.to(device, non_blocking=True) for each in (batch.wanted, batch.rows))
            merge(layers)
            found = encode(model, batch.queries, device)
            known, seen = passages, passages
            if arguments.side == "both":
                known, seen = passages[rows], encode(model, batch.passages, device)
            scores, target = found @ seen.T / TEMPERATURE, wanted @ known.T / TEMPERATURE
            loss = kl_div(scores.log_softmax(1), target.log_softmax(1), log_target=True, reduction="batchmean")
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
            if step % 250 == 0 or step == steps:
                mean = float(torch.stack(losses[-250:]).mean())
                print(f"step {step}, {time.monotonic() - started:.0f} s: {mean:.4f}", flush=True)
            if step % 1000 == 0 or step == steps:
                save(model, files, arguments.output)


if __name__ == "__main__":
    main()
