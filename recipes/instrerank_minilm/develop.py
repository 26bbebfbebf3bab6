"""Judge adapters on the topics that the recipe sets apart, to choose between them without a look at TREC 2019.

python recipes/instrerank_minilm/develop.py --data DATA ENCODER [ENCODER …]    (see README.md beside this)

InstructIR's 250 topics over the passages of training. MRR@10 of the answer: bare queries, clean and perturbed (some
by families that no adapter is trained on), and queries with an instruction that asks for nothing more. p-MRR x 100 of
rules of `constrain`, in its own words, over the ten nearest of a hundred passages: as instructions, and inside the
query's own text, where they are not to be obeyed. For sentences of passages, as long queries: the share of the base's
ten best passages that stay.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import nearest
from numpy.typing import NDArray

from instrerank.collections import load_qrels, open_passages
from instrerank.encoders import Encoder, load_encoder
from instrerank.encoders.encoded import Encoded
from instrerank.evaluation.instructions import p_mrr_by_topic
from instrerank.evaluation.measures import evaluate
from instrerank.perturbations import generator
from instrerank.perturbations.constraints import Constraint, constrain
from instrerank.perturbations.registry import resolve
from instrerank.training.vectors.payloads import inserted, payload
from instrerank.training.vectors.questions import phrases, sentence
from instrerank.training.vectors.recipe import read_recipe
from instrerank.training.vectors.sources import read_sources, split_topics
from instrerank.training.vectors.teacher import Vectors
from instrerank.trec import Run, ScoredDoc, Topic

SEEDS = 4
"""Rules of a topic."""
CANDIDATES, NEAR = 100, 10
"""Passages of a topic nearest by the base, and how many of these count as relevant for a rule."""


PERTURBATIONS = ("typo-mixed", "typo-mixed:edits=2", "word-shuffle", "unicode-homoglyph")
UNSEEN = ("synonym", "telegraphic", "polite", "repeated-query", "plural")
"""Of families without any example in training."""
SENTENCES = 300
NEUTRAL = "Useful passages are on the topic."


class InTheQuery:
    """An encoder whose instructions stand in the query's own text."""

    def __init__(self, encoder: Encoder):
        self._encoder = encoder

    def encode_queries(self, queries: Sequence[str], instructions: Sequence[str]) -> Encoded:
        """Encode each query with its instruction behind it, as one text."""
        return self._encoder.encode_queries(
            [f"{pair[0]} {pair[1]}" for pair in zip(queries, instructions, strict=True)]
        )


def query_sets(topics: list[Topic], texts: list[str]) -> dict[str, list[Topic]]:
    """Return the topics clean, perturbed, and with a payload from the grammar of training."""
    sets = {"clean": topics}
    for name in (*PERTURBATIONS, *UNSEEN):
        apply = resolve(name).for_topics(topics, 1)
        sets[name] = [apply(topic, generator(1, name, topic.qid)).topic for topic in topics]
    rng = random.Random(77)
    payloads = [payload([*phrases(rng.choice(texts)), "the news", "oil price"], rng) for _ in topics]
    sets["payload"] = [
        each._replace(text=inserted(each.text, text, rng)) for each, text in zip(topics, payloads, strict=True)
    ]
    return sets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="+", metavar="ENCODER")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base", default="minilm", help="model that the others were trained from")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).with_name("recipe.yaml"))
    arguments = parser.parse_args()

    recipe = read_recipe(arguments.recipe)
    texts = read_sources(replace(recipe, made_queries=1), arguments.data).passages
    topics, _ = split_topics(recipe, arguments.data)
    row = {text: at for at, text in enumerate(texts)}
    answers = load_qrels(arguments.data / "instructir" / "mini.qrels.txt")
    pool = {each.docid: each.text for each in open_passages(arguments.data / "pool" / "passages.jsonl.gz")}
    numbers = [str(at) for at in range(len(texts))]
    judged = {topic.qid: {numbers[row[pool[docid]]]: 1 for docid in answers[topic.qid]} for topic in topics}
    sets = query_sets(topics, texts)

    base = load_encoder(arguments.base)
    passages = base.encode_passages(texts, progress=True).vectors
    scores = base.encode_queries([topic.text for topic in topics]).vectors @ passages.T
    best = np.argsort(-scores, 1, kind="stable")[:, :CANDIDATES]
    near = {topic.qid: {str(at): 1 for at in rows[:NEAR]} for topic, rows in zip(topics, best, strict=True)}
    docids = {str(at): texts[at] for rows in best for at in rows}
    drawn: list[tuple[int, Constraint]] = []
    number = {topic.qid: at for at, topic in enumerate(topics)}
    for seed in range(1, SEEDS + 1):
        drawn += [(number[each.qid], each) for each in constrain(topics, near, docids, seed)[0]]

    rng = random.Random(99)
    claims = [made for text in rng.sample(texts, 2 * SENTENCES) if (made := sentence(text, rng))][:SENTENCES]
    tens = ten_best(base, claims, passages)

    print(f"{len(topics)} topics, {len(drawn)} rules, {len(claims)} sentences")
    for name in [arguments.base, *arguments.encoders]:
        encoder = load_encoder(name)
        passages = encoder.encode_passages(texts, progress=True).vectors  # the base's where only queries are adapted

        def reciprocal_rank(asked: list[Topic], told: str = "", encoder: Encoder = encoder) -> float:
            vectors = encoder.encode_queries([each.text for each in asked], [told] * len(asked)).vectors
            run = nearest(vectors, passages, numbers, list(number))  # noqa: B023
            return evaluate(run, judged, ["recip_rank"]).means["recip_rank"]

        for told in ("", NEUTRAL):
            shown = [f"{kind} {reciprocal_rank(asked, told):.4f}" for kind, asked in sets.items()]
            print(f"{name}, {'told to be on topic' if told else 'bare'}: {', '.join(shown)}", flush=True)
        stay = [len(ten & other) for ten, other in zip(tens, ten_best(encoder, claims, passages), strict=True)]
        print(f"{name}, sentences: {np.mean(stay) / NEAR:.3f} of the ten best stay", flush=True)
        for kind, one in (("as instructions", encoder), ("in the query", InTheQuery(encoder))):
            print(f"{name}, rules {kind}: {measure_rules(one, passages, topics, best, drawn)}", flush=True)


def ten_best(encoder: Encoder, queries: list[str], passages: Vectors) -> list[set[int]]:
    """Return the passages nearest to each query."""
    scores = encoder.encode_queries(queries).vectors @ passages.T
    return [set(row) for row in np.argpartition(-scores, NEAR)[:, :NEAR].tolist()]


def measure_rules(
    encoder: Encoder | InTheQuery,
    passages: Vectors,
    topics: list[Topic],
    best: NDArray[np.int64],
    drawn: list[tuple[int, Constraint]],
) -> str:
    """Say p-MRR x 100 of what rules drop and keep: of all, by kind of rule, and by whether it wants or forbids."""
    queries = [topics[at].text for at, _ in drawn]
    runs = []
    for kind in ("original", "changed"):
        vectors = encoder.encode_queries(queries, [getattr(each, kind) for _, each in drawn]).vectors
        run = Run("", {})
        for place, ((at, _), vector) in enumerate(zip(drawn, vectors, strict=True)):
            scores = passages[best[at]] @ vector
            order = np.argsort(-scores, kind="stable")
            run.rankings[str(place)] = [ScoredDoc(str(best[at][each]), float(scores[each])) for each in order]
        runs.append(run)
    sides = [
        p_mrr_by_topic(*runs, {str(place): getattr(each, side) for place, (_, each) in enumerate(drawn)})
        for side in ("dropped", "kept")
    ]
    groups: dict[str, list[str]] = {"all": []}
    for place, (_, each) in enumerate(drawn):
        kind = each.rule.kind if each.rule.kind in ("mentions", "longer") else "features"
        groups["all"].append(str(place))
        groups.setdefault(f"{kind} {'wanted' if each.rule.wanted else 'not'}", []).append(str(place))
    return ", ".join(
        f"{group} ({len(places)}) "
        + "/".join(f"{100 * np.mean([side[each] for each in places]):.1f}" for side in sides)
        for group, places in sorted(groups.items())
    )


if __name__ == "__main__":
    main()
