"""Train the adapter `instrerank-minilm`: queries and instructions learn the vectors that they should have.

python benchmarks/adapter/train.py --data DATA --output DIR    (see README.md beside this)

One loss for everything: the divergence of the adapter's scores over all passages from those of the vector that a query
should have. For a misspelt query that is the base model's vector of the query as it is, and so for a query with an
instruction that asks for nothing more; a rule on passages moves that vector along the rule's direction (teacher.py).
Nothing of TREC 2019 takes part: no topic, judgement or passage. DATA's terms hold for what comes out: MS MARCO text is
for non-commercial research.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from queries import phrases, question
from teacher import Teacher
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import kl_div
from tqdm import tqdm
from wordings import instruction, neutral, said, topical

from instrerank.cli.inputs import default_store
from instrerank.collections import load_topics, open_passages
from instrerank.encoders import Encoder, load_encoder
from instrerank.encoders.loading import find_model
from instrerank.files import read_lines
from instrerank.perturbations import generator
from instrerank.perturbations.constraints import Rule
from instrerank.perturbations.typos import typo_mixed
from instrerank.training.models import Lora, load_trainable, save_trained
from instrerank.trec import Topic

DEVELOPMENT = 250
"""InstructIR topics kept apart."""
MADE = 30_000
"""Queries made of passages."""
BEST = 30
"""Passages nearest to a query, of which rules are drawn."""
PENALTY = 0.08
"""What a rule changes in the cosine of a passage that satisfies it."""
SHARES = {"misspelt": 0.6, "clean": 0.1, "rule": 0.2, "neutral": 0.05, "topical": 0.05}
"""How many of a kind are drawn; a rule gives two examples, it and one that forbids."""
TEMPERATURE = 0.05
BATCH, RANK = 256, 22
RATE, WARMUP = 1.2e-3, 100
"""The learning rate rises over so many steps, stays, and falls over the last 70 % of all."""
CARD = """---
base_model: "minilm"
library_name: "peft"
---
LoRA adapter for queries of `minilm`, trained by `benchmarks/adapter` of instrerank on MS MARCO passages and queries
(terms: non-commercial research) and InstructIR's instructions (MIT).
"""


class Example(NamedTuple):
    """A query with an instruction, and the vector [d] that they should have."""

    query: str
    instruction: str
    wanted: torch.Tensor


class Examples:
    """Draws examples without end.

    Args:
        queries: those that people asked first, then those made of passages.
        real: how many people asked.
        stories: InstructIR's instructions with the numbers of their queries.
        texts: of the passages.
        teacher: of rules.
        base: teaches queries.
    """

    def __init__(
        self,
        queries: Sequence[str],
        real: int,
        stories: Sequence[tuple[int, str]],
        texts: Sequence[str],
        teacher: Teacher,
        base: Encoder,
    ):
        self._queries, self._real, self._stories, self._texts, self._teacher = queries, real, stories, texts, teacher
        self._vectors = base.encode_queries(queries).vectors
        passages, nearest = torch.from_numpy(teacher.vectors), []
        for part in torch.from_numpy(self._vectors).split(2000):
            nearest.append((part @ passages.T).topk(BEST).indices)
        self._nearest = torch.cat(nearest).numpy()
        self._rng = random.Random(1)

    def __iter__(self) -> Iterator[Example]:
        kinds, weights = list(SHARES), list(SHARES.values())
        while True:
            (kind,) = self._rng.choices(kinds, weights)
            for query, told, wanted in getattr(self, f"_{kind}")():
                yield Example(query, told, torch.from_numpy(wanted.astype(np.float32)))

    def _misspelt(self) -> Iterator[tuple[str, str, np.ndarray]]:
        at = self._any()
        yield self._misspell(self._queries[at]), "", self._vectors[at]

    def _clean(self) -> Iterator[tuple[str, str, np.ndarray]]:
        at = self._any()
        yield self._queries[at], "", self._vectors[at]

    def _rule(self) -> Iterator[tuple[str, str, np.ndarray]]:
        rng, at, opening, way = self._rng, self._any(), "", self._rng.random()
        if way < 0.1:
            at, opening = rng.choice(self._stories)
        elif way < 0.35:
            opening = self._about(at)
        query = self._queries[at]
        rules = self._teacher.rules(query, self._nearest[at][: rng.choice([6, 10, 20, 30])], rng)
        for wanted in (True, False) if rules else ():
            rule = replace(rng.choice(rules), wanted=wanted)
            told = f"{opening} {said(rule, rng)}" if opening else instruction(rule, query, rng)
            yield self._perhaps(query), told, self._moved(at, rule)

    def _neutral(self) -> Iterator[tuple[str, str, np.ndarray]]:
        at, told = self._rng.choice(self._stories)
        if self._rng.random() < 0.5:
            at = self._any()
            told = neutral(self._queries[at], self._rng)
        yield self._perhaps(self._queries[at]), told, self._vectors[at]

    def _topical(self) -> Iterator[tuple[str, str, np.ndarray]]:
        at = self._any()
        if told := self._about(at):
            yield self._perhaps(self._queries[at]), told, self._vectors[at]

    def _about(self, at: int) -> str:
        """Say what passages on a query are about, and most often what they are not about; "" where words lack."""
        rng, nearest = self._rng, self._nearest[at]
        wanted = phrases(self._texts[nearest[rng.randrange(3)]])
        unwanted = phrases(self._texts[nearest[rng.randrange(10, BEST)]])
        if len(wanted) < 2 or len(unwanted) < 3:
            return ""
        not_about = rng.sample(unwanted, 3) if rng.random() < 0.8 else []
        return topical(self._queries[at], rng.sample(wanted, 2), not_about, rng)

    def _moved(self, at: int, rule: Rule) -> np.ndarray:
        direction = self._teacher.direction(rule)
        moved = self._vectors[at] + (PENALTY if rule.wanted else -PENALTY) * direction
        return moved / np.linalg.norm(moved)

    def _any(self) -> int:
        return self._rng.randrange(self._real if self._rng.random() < 0.2 else len(self._queries))

    def _perhaps(self, query: str) -> str:
        return self._misspell(query) if self._rng.random() < 0.2 else query

    def _misspell(self, query: str) -> str:
        return typo_mixed(Topic("", query), self._rng).topic.text


def read_passages(data: Path) -> list[str]:
    """Return the passages of `pool/` and `dl22/` without those that TREC 2019's runs have."""
    kept_apart = {passage.docid for passage in open_passages(data / "dl19" / "passages.jsonl.gz")}
    texts = [each.text for each in open_passages(data / "pool" / "passages.jsonl.gz") if each.docid not in kept_apart]
    texts += [each.text for each in open_passages(data / "dl22" / "passages.jsonl.gz")]
    return list(dict.fromkeys(texts))


def read_queries(data: Path) -> tuple[list[Topic], list[str], list[tuple[int, str]]]:
    """Return InstructIR's topics kept apart, the other queries, and InstructIR's instructions for these."""
    topics = load_topics(data / "instructir" / "mini.topics.tsv")
    topics = generator(1, "split", "").sample(topics, len(topics))
    training = [*topics[DEVELOPMENT:], *load_topics(data / "dl22" / "topics.tsv")]
    number = {topic.text: at for at, topic in enumerate(training)}
    told = [json.loads(line) for _, line in read_lines(data / "instructir" / "instructions.jsonl.gz")]
    stories = [(number[each["query"]], each["instruction"]) for each in told if each["query"] in number]
    return topics[:DEVELOPMENT], [topic.text for topic in training], stories


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with pool/, instructir/, dl22/ and dl19/")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    arguments = parser.parse_args()

    texts = read_passages(arguments.data)
    _, queries, stories = read_queries(arguments.data)
    real, rng = len(queries), random.Random(1)
    while len(queries) < real + MADE:
        made = question(rng.choice(texts), rng)
        queries += [made] if made else []
    base = load_encoder("minilm", store=default_store())
    teacher = Teacher(texts, base.encode_passages(texts, progress=True).vectors)
    examples = iter(Examples(queries, real, stories, texts, teacher, base))
    files = find_model("minilm")
    model = load_trainable(files, lora=Lora(rank=RANK, alpha=RANK, side="query")).eval()  # no dropout
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=0)
    losses: list[float] = []
    passages = torch.from_numpy(teacher.vectors).bfloat16()
    with tqdm(range(1, arguments.steps + 1), unit="step", disable=None) as bar:
        for step in bar:
            optimizer.param_groups[0]["lr"] = RATE * min(1, step / WARMUP, 1.4 * (1.01 - step / arguments.steps))
            batch = list(islice(examples, BATCH))
            # flash attention's backward pass over a few tokens takes as long as all products of matrices
            with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
                found, _ = model([(each.query, each.instruction) for each in batch], [])
                wanted = torch.stack([each.wanted for each in batch])
                scores, target = (((each / TEMPERATURE) @ passages.T).float() for each in (found, wanted))
            loss = kl_div(scores.log_softmax(1), target.log_softmax(1), log_target=True, reduction="batchmean")
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            if step % 50 == 0:
                print(f"step {step}: {np.mean(losses[-50:]):.4f}", flush=True)
                save_trained(model, files, arguments.output, CARD)
    save_trained(model, files, arguments.output, CARD)


if __name__ == "__main__":
    main()
