"""The training of one adapter on vectors.

One loss for everything: the divergence of the adapter's scores over all passages from those of the vector that a query
should have, KL(softmax(wanted · P / τ) ‖ softmax(found · P / τ)). For a misspelt query the wanted vector is the base
model's of the query as it is, and so for a query with a payload in it, or with an instruction that asks for nothing
more; a rule on passages moves that vector along the rule's direction (teacher.py).
"""

from __future__ import annotations

import json
import math
import random
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import kl_div, linear
from tqdm import tqdm

from instrerank.encoders.networks.backends import TransformersBackend
from instrerank.encoders.texts import query_text
from instrerank.encoders.tokenizing import Tokens
from instrerank.errors import InstrerankError
from instrerank.files import partial_path
from instrerank.training.network import TrainableEncoder
from instrerank.training.vectors.examples import Examples
from instrerank.training.vectors.recipe import AdapterRecipe
from instrerank.training.vectors.teacher import Vectors

CUTS = (0.4, 0.7, 0.9)
"""Where a batch, sorted by length, is cut into parts that are padded apart."""
AHEAD = 4
"""Batches that are made before they are needed."""
LOG_STEPS, SAVE_STEPS = 10, 100
"""Steps between two entries of the log, and between two checkpoints."""
CHECKPOINT, LOG = "checkpoint.safetensors", "log.jsonl"


class Batch(NamedTuple):
    """Tokens of queries, in parts of similar length, the vectors wanted [n, d], and weights [n]."""

    queries: list[list[Tokens]]
    wanted: torch.Tensor
    weights: torch.Tensor


class Batches:
    """The batch of each step; it depends on the number of the step alone."""

    def __init__(self, examples: Examples, model: TrainableEncoder, recipe: AdapterRecipe, seed: int):
        """Take what batches are drawn from."""
        self._examples, self._model, self._recipe, self._seed = examples, model, recipe, seed

    def batch(self, step: int) -> Batch:
        """Make the batch of a step."""
        profile, size = self._model.profile, self._recipe.batch_size
        batch = list(islice(self._examples.draw(random.Random(f"{self._seed} {step}")), size))
        texts = [query_text(profile, each.query, each.instruction) for each in batch]
        tokens = self._model.tokenizer.encode(texts, profile.max_query_length)
        order = sorted(range(size), key=lambda at: len(tokens[at].ids))  # padding costs as much as words
        cuts = [0, *(int(cut * size) for cut in CUTS), size]
        groups = [[tokens[at] for at in order[start:end]] for start, end in pairwise(cuts) if start < end]
        wanted = torch.from_numpy(np.stack([batch[at].wanted for at in order]))
        return Batch(groups, wanted, torch.tensor([batch[at].weight for at in order]))

    def ahead(self, done: int) -> Iterator[Batch]:
        """Yield the batches after `done` steps, each made while earlier ones are learned from."""
        # a thread: a forked process dies now and then where a JVM or Ray runs in this one
        with ThreadPoolExecutor(1) as pool:
            left = iter(range(done, self._recipe.steps))
            waiting = deque(pool.submit(self.batch, step) for step in islice(left, AHEAD))
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(self.batch, step) for step in islice(left, 1))


class _HalfPrecision(TransformersBackend):
    """The network with gradients, its products of matrices in bfloat16."""

    def token_states(self, token_ids: Sequence[Sequence[int]]) -> torch.Tensor:
        with torch.autocast(torch.device(self.device).type, torch.bfloat16):
            return super().token_states(token_ids).float()


def fit(
    model: TrainableEncoder,
    examples: Examples,
    passages: Vectors,
    recipe: AdapterRecipe,
    folder: Path,
    *,
    temperature: float,
    seed: int,
    device: str,
    resume: bool,
    progress: bool,
) -> float:
    """Train a model's adapter; a log and a checkpoint of every 100 steps are kept in `folder`.

    Args:
        model: with a LoRA adapter, from `load_trainable`.
        examples: what it learns from.
        passages: the base model's vectors, float32 [passages, d].
        recipe: of this adapter.
        folder: for the log and the checkpoint.
        temperature: τ of the loss.
        seed: of the draws.
        device: "cpu", "cuda", ….
        resume: continue from the checkpoint, if there is one.
        progress: show a progress bar.

    Returns:
        The last mean loss in the log.

    Raises:
        InstrerankError: the loss is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = model.eval().to(device)  # no dropout
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=0, fused=True)
    done = _restored(folder, model, optimizer) if resume else 0
    if not done:
        (folder / LOG).unlink(missing_ok=True)
    layers = _merging_layers(model.network)
    backend = _HalfPrecision(model.network, bidirectional=model.profile.bidirectional)
    known = torch.from_numpy(passages).to(device)
    losses: list[float] = []
    batches = Batches(examples, model, recipe, seed).ahead(done)
    bar = tqdm(batches, unit="step", total=recipe.steps, initial=done, disable=not progress)
    with _fast_attention(device), bar:
        for step, batch in enumerate(bar, done + 1):
            half = 0.5 + 0.5 * math.cos(math.pi * step / recipe.steps)
            optimizer.param_groups[0]["lr"] = recipe.learning_rate * min(step / recipe.warmup_steps, half)
            _merge(layers)
            found = torch.cat([model.vectors(backend, group) for group in batch.queries])
            scores, target = found @ known.T / temperature, batch.wanted.to(device) @ known.T / temperature
            kl = kl_div(scores.log_softmax(1), target.log_softmax(1), log_target=True, reduction="none").sum(1)
            loss = (kl * batch.weights.to(device)).mean()
            if not torch.isfinite(loss):
                raise InstrerankError(f"the loss is {loss.item()} at step {step}: lower learning_rate in the recipe")
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(float(loss.detach()))
            if step % LOG_STEPS == 0 or step == recipe.steps:
                with (folder / LOG).open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"step": step, "loss": float(np.mean(losses))}) + "\n")
                bar.set_postfix(loss=f"{np.mean(losses):.4f}")
                losses.clear()
            if step % SAVE_STEPS == 0 or step == recipe.steps:
                _save(folder, model, optimizer, step)
    for layer in layers:
        vars(layer).pop("forward"), vars(layer).pop("whole", None)  # none if all steps were done before
    return float(json.loads((folder / LOG).read_text("utf-8").splitlines()[-1])["loss"])


def _merging_layers(network: torch.nn.Module) -> list[Any]:
    """Return a LoRA adapter's layers, made to multiply by `whole`, W + BA, which `_merge` sets: one product."""
    import peft

    layers: list[Any] = [each for each in network.modules() if isinstance(each, peft.tuners.lora.LoraLayer)]
    for layer in layers:
        layer.forward = partial(_forward, layer)
    return layers


def _forward(layer: Any, x: torch.Tensor) -> torch.Tensor:
    return linear(x, layer.whole, layer.base_layer.bias)


def _merge(layers: Sequence[Any]) -> None:
    """Set W + BA of each layer, as bfloat16."""
    for layer in layers:
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        layer.whole = torch.addmm(layer.base_layer.weight, b, a, alpha=layer.scaling["default"]).bfloat16()


def _fast_attention(device: str) -> AbstractContextManager[None]:
    # flash attention's backward pass over a few tokens takes as long on a CPU as all products of matrices
    return sdpa_kernel(SDPBackend.MATH) if device == "cpu" else nullcontext()


def _save(folder: Path, model: TrainableEncoder, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Write the weights and the optimiser's state, whole."""
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    state = {f"weight {name}": weight.detach() for name, weight in model.named_parameters() if weight.requires_grad}
    for at, values in optimizer.state_dict()["state"].items():
        state |= {f"{key} {names[at]}": value for key, value in values.items()}
    partial_file = partial_path(folder / CHECKPOINT)
    save_file({name: value.cpu().contiguous() for name, value in state.items()}, partial_file, {"step": str(step)})
    partial_file.replace(folder / CHECKPOINT)


def _restored(folder: Path, model: TrainableEncoder, optimizer: torch.optim.Optimizer) -> int:
    """Load the checkpoint, if there is one, and return its step."""
    if not (folder / CHECKPOINT).is_file():
        return 0
    with safe_open(folder / CHECKPOINT, "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping
        step = int(file.metadata()["step"])
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    model.load_state_dict({name: state[f"weight {name}"] for name in trained}, strict=False)
    keys = ("step", "exp_avg", "exp_avg_sq")
    saved = {at: {key: state[f"{key} {name}"] for key in keys} for at, name in enumerate(trained)}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": saved})
    return step
