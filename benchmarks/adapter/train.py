"""Second stage of the adapter `instrerank-minilm`: what it has learnt stays, and typos and empty words lose their say.

python benchmarks/adapter/train.py --data DATA --adapter FIRST --output DIR    (see README.md beside this)

One loss for everything: the divergence of the adapter's scores over all passages from those that a teacher gives the
query as it should be. Bare queries, misspelt or not, and queries with an instruction that asks for nothing more: the
base model on the query as it is. Queries with a constraint: the first stage's adapter, what the constraint forbids put
down. No topic, judgement or candidate of TREC 2019 takes part. DATA's terms hold for what comes out: MS MARCO text is
for non-commercial research.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import peft
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from wordings import instruction, neutral

from instrerank.cli.inputs import store_of
from instrerank.collections import load_topics, open_passages
from instrerank.encoders import Encoder, load_encoder
from instrerank.encoders.loading import find_model
from instrerank.files import read_lines
from instrerank.perturbations import generator
from instrerank.perturbations.constraints import KINDS, Rule, candidate_rules
from instrerank.perturbations.typos import typo_mixed
from instrerank.perturbations.words import is_eligible
from instrerank.training.models import Lora, load_trainable, save_trained
from instrerank.training.sampling import Pair
from instrerank.trec import Topic

DEVELOPMENT = 250
"""InstructIR topics kept apart."""
PSEUDO = 20_000
"""Queries made of words that stand together in a passage."""
TEMPERATURE = 0.05


MISSPELT, CLEAN, CONSTRAINED, NEUTRAL = 40, 12, 12, 6
"""Texts in a batch; half of the constraints are the opposite of the other half."""
STEPS, RATE, WARMUP = 200, 6e-4, 30
"""The learning rate rises over so many steps, then falls linearly."""
PENALTY = 0.1
"""Taken off the cosine of a passage that the constraint forbids."""
CARD = """---
base_model: "minilm"
library_name: "peft"
---
LoRA adapter for queries of `minilm`, trained by `benchmarks/adapter` of instrerank on MS MARCO passages and queries
(terms: non-commercial research) and InstructIR's instructions (MIT).
"""
STARTS = """
what is|how to|what are|why|when|how long|how much|where|cost of|define|meaning of|causes of|types of
""".strip().split("|")


class Pool:
    """All passages, with what rules ask of them."""

    def __init__(self, texts: list[str]):
        self.texts = texts
        self._lengths = np.array([len(text.split()) for text in texts])
        features = [kind for kind in KINDS if kind not in ("mentions", "longer")]
        self._features = {
            kind: np.array([KINDS[kind].holds(Rule(kind, True), text) for text in texts]) for kind in features
        }
        self._words: dict[str, list[int]] = {}
        for at, text in enumerate(texts):
            for word in {each.lower() for each in re.findall(r"[^\W_]+", text)}:
                self._words.setdefault(word, []).append(at)

    def holds(self, rule: Rule) -> NDArray[np.bool_]:
        """Tell which passages satisfy a rule's condition, whether it is wanted or not."""
        if rule.kind == "longer":
            return self._lengths > rule.words
        if rule.kind != "mentions":
            return self._features[rule.kind]
        found = np.zeros(len(self.texts), bool)
        found[self._words.get(rule.term, [])] = True
        return found

    def rule(self, query: str, scores: torch.Tensor, rng: random.Random) -> Rule | None:
        """Draw a rule that splits a query's best passages, or None."""
        best = scores.topk(30).indices.tolist()[: rng.choice([6, 10, 20])]
        rules: dict[str, list[Rule]] = {}
        for rule in candidate_rules(query, [self.texts[at] for at in best], 0.2):
            rules.setdefault(rule.kind, []).append(rule)
        kinds = sorted(rules) + ["mentions"] * 6 * ("mentions" in rules)
        drawn = [rng.choice(rules[rng.choice(kinds)]) for _ in range(6)] if kinds else []
        return next((rule for rule in drawn if 0.2 <= self.holds(rule)[best].mean() <= 0.8), None)


def pseudo_query(text: str, rng: random.Random) -> str | None:
    """Make a query of three to ten words of a passage: as they stand, without stopwords, or behind a question word."""
    words = [word.lower() for word in re.findall(r"[A-Za-z][A-Za-z'-]*|\d[\d.,]*", text)]
    if len(words) < 8:
        return None
    size = rng.choice([3, 4, 5, 5, 6, 6, 7, 8, 9, 10])
    start = rng.randrange(max(1, len(words) - size))
    words, way = words[start : start + size], rng.random()
    if way < 0.4:
        words = [word for word in words if is_eligible(word) or word[0].isdigit()][:7]
    elif way > 0.7:
        words = [*rng.choice(STARTS).split(), *filter(is_eligible, words)][:6]
    return " ".join(words) if sum(map(is_eligible, words)) >= 2 else None


class Batches:
    """Draws batches: pairs of query and instruction, each with the scores that it should have.

    Args:
        queries: those that people asked first, then those made of passages.
        real: how many people asked.
        stories: InstructIR's instructions with the numbers of their queries.
        pool: the passages,
        passages: and their vectors.
        base: teaches queries,
        first: teaches constraints.
    """

    def __init__(
        self,
        queries: list[str],
        real: int,
        stories: list[tuple[int, str]],
        pool: Pool,
        passages: torch.Tensor,
        base: Encoder,
        first: Encoder,
    ):
        self._queries, self._real, self._stories, self._pool = queries, real, stories, pool
        self._passages, self._first = passages, first
        self._clean = torch.from_numpy(base.encode_queries(queries).vectors)
        self._rng = random.Random(1)

    def __call__(self) -> tuple[list[list[Pair]], list[torch.Tensor]]:
        """Return two parts, bare queries and instructed ones: their pairs, and their target scores [n, passages]."""
        rng, queries = self._rng, self._queries
        bare = [self._any() for _ in range(MISSPELT + CLEAN)]
        plain = [(self._misspelt(queries[at]) if n < MISSPELT else queries[at], "") for n, at in enumerate(bare)]
        asked: list[Pair] = []
        forbidden: list[NDArray[np.bool_]] = []
        while len(asked) < CONSTRAINED:
            at, story = rng.choice(self._stories) if rng.random() < 0.1 else (self._any(), "")
            rule = self._pool.rule(queries[at], self._passages @ self._clean[at], rng)
            for each in (rule, replace(rule, wanted=not rule.wanted)) if rule else ():
                asked.append((queries[at], f"{story} {instruction(each, queries[at], rng)}".strip()))
                forbidden.append(self._pool.holds(each) != each.wanted)
        taught = torch.from_numpy(self._first.encode_queries(*map(list, zip(*asked, strict=True))).vectors)
        constrained = taught @ self._passages.T - PENALTY * torch.from_numpy(np.stack(forbidden)).float()
        neutral_ones = [rng.choice(self._stories) for _ in range(NEUTRAL // 2)]
        for at in [self._any() for _ in range(NEUTRAL - NEUTRAL // 2)]:
            neutral_ones.append((at, neutral(queries[at], rng)))
        asked += [(queries[at], said) for at, said in neutral_ones]
        misspelt = [(self._misspelt(query) if rng.random() < 0.25 else query, said) for query, said in asked]
        at_ease = self._clean[[at for at, _ in neutral_ones]] @ self._passages.T
        return [plain, misspelt], [self._clean[bare] @ self._passages.T, torch.cat([constrained, at_ease])]

    def _any(self) -> int:
        return self._rng.randrange(self._real if self._rng.random() < 0.3 else len(self._queries))

    def _misspelt(self, query: str) -> str:
        return typo_mixed(Topic("", query), self._rng).topic.text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with pool/, instructir/, dl22/ and dl19/")
    parser.add_argument("--adapter", type=Path, required=True, help="of the first stage")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    data = arguments.data

    kept_apart = {passage.docid for passage in open_passages(data / "dl19" / "passages.jsonl.gz")}
    passages = [each for each in open_passages(data / "pool" / "passages.jsonl.gz") if each.docid not in kept_apart]
    pool = Pool(list(dict.fromkeys(each.text for each in passages)))

    topics = load_topics(data / "instructir" / "mini.topics.tsv")
    topics = generator(1, "split", "").sample(topics, len(topics))[DEVELOPMENT:]
    queries = [topic.text for topic in [*topics, *load_topics(data / "dl22" / "topics.tsv")]]
    number = {query: at for at, query in enumerate(queries)}
    told = [json.loads(line) for _, line in read_lines(data / "instructir" / "instructions.jsonl.gz")]
    stories = [(number[each["query"]], each["instruction"]) for each in told if each["query"] in number]
    real, rng = len(queries), random.Random(1)
    while len(queries) < real + PSEUDO:
        query = pseudo_query(rng.choice(pool.texts), rng)
        queries += [query] if query else []

    files = find_model("minilm")
    lora = Lora(rank=8, alpha=16, side="query")
    model = load_trainable(files, lora=lora, passages=pool.texts, store=store_of(None)).train()
    peft.set_peft_model_state_dict(model.network, load_file(arguments.adapter / "adapter_model.safetensors"))
    assert model.frozen_passages is not None
    vectors = model.frozen_passages(pool.texts)
    encoders = load_encoder("minilm"), load_encoder(arguments.adapter)
    batches = Batches(queries, real, stories, pool, vectors, *encoders)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, weight_decay=0)
    for step in range(1, STEPS + 1):
        optimizer.param_groups[0]["lr"] = RATE * min(1, step / WARMUP) * max(0.02, 1 - step / STEPS)
        losses = []
        for pairs, target in zip(*batches(), strict=True):
            found = (model(pairs, [])[0] @ vectors.T / TEMPERATURE).log_softmax(1)
            wanted = (target / TEMPERATURE).log_softmax(1)
            losses.append(torch.nn.functional.kl_div(found, wanted, log_target=True, reduction="batchmean"))
            losses[-1].backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 25 == 0:
            print(f"step {step}: bare {losses[0]:.3f}, instructed {losses[1]:.3f}", flush=True)
    save_trained(model.eval(), files, arguments.output, CARD)


if __name__ == "__main__":
    main()
