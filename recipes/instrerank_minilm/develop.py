"""Judge adapters on the topics that the recipe sets apart, to choose between them without a look at TREC 2019.

python recipes/instrerank_minilm/develop.py --data DATA ENCODER [ENCODER …]    (see README.md beside this)

InstructIR's 250 topics over the passages of training: the answer's MRR@10 of queries as they are and with a typo;
p-MRR x 100 of rules of `constrain`, in its own words, over the ten nearest of a hundred passages.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from examples import read_passages, read_queries
from measure import nearest
from numpy.typing import NDArray
from teacher import Vectors

from instrerank.collections import load_qrels, open_passages
from instrerank.encoders import Encoder, load_encoder
from instrerank.evaluation.instructions import p_mrr_by_topic
from instrerank.evaluation.measures import evaluate
from instrerank.perturbations import generator
from instrerank.perturbations.constraints import Constraint, constrain
from instrerank.perturbations.typos import typo_mixed
from instrerank.trec import Run, ScoredDoc, Topic

SEEDS = 4
"""Rules of a topic."""
CANDIDATES, NEAR = 100, 10
"""Passages of a topic nearest by `minilm`, and how many of these count as relevant for a rule."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="+", metavar="ENCODER")
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()

    texts = read_passages(arguments.data)
    topics, _, _ = read_queries(arguments.data)
    row = {text: at for at, text in enumerate(texts)}
    answers = load_qrels(arguments.data / "instructir" / "mini.qrels.txt")
    pool = {each.docid: each.text for each in open_passages(arguments.data / "pool" / "passages.jsonl.gz")}
    numbers = [str(at) for at in range(len(texts))]
    judged = {topic.qid: {numbers[row[pool[docid]]]: 1 for docid in answers[topic.qid]} for topic in topics}
    misspelt = [typo_mixed(topic, generator(1, "typo-mixed", topic.qid)).topic for topic in topics]

    base = load_encoder("minilm")
    passages = base.encode_passages(texts, progress=True).vectors
    scores = base.encode_queries([topic.text for topic in topics]).vectors @ passages.T
    best = np.argsort(-scores, 1, kind="stable")[:, :CANDIDATES]
    near = {topic.qid: {str(at): 1 for at in rows[:NEAR]} for topic, rows in zip(topics, best, strict=True)}
    docids = {str(at): texts[at] for rows in best for at in rows}
    drawn: list[tuple[int, Constraint]] = []
    number = {topic.qid: at for at, topic in enumerate(topics)}
    for seed in range(1, SEEDS + 1):
        drawn += [(number[each.qid], each) for each in constrain(topics, near, docids, seed)[0]]

    print(f"{len(topics)} topics, {len(drawn)} rules")
    for name in ["minilm", *arguments.encoders]:
        encoder = load_encoder(name)
        passages = encoder.encode_passages(texts, progress=True).vectors  # minilm's where only queries are adapted
        ranks = []
        for asked in (topics, misspelt):
            vectors = encoder.encode_queries([each.text for each in asked]).vectors
            run = nearest(vectors, passages, numbers, list(number))
            ranks.append(evaluate(run, judged, ["recip_rank"]).means["recip_rank"])
        moves = measure_rules(encoder, passages, topics, best, drawn)
        print(f"{name}: clean {ranks[0]:.4f}, misspelt {ranks[1]:.4f}, rules {len(drawn)}: {moves}", flush=True)


def measure_rules(
    encoder: Encoder,
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
