"""Training and development data of the adapter `instrerank-minilm`, from the collections of `--data`.

python recipes/instrerank_minilm/rows.py --data DATA --runs RUNS --output DIR    (see README.md there)

No topic and no judgement of TREC 2019 is read. DATA's terms hold for what is written: MS MARCO text is for
non-commercial research.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from instrerank.collections import load_qrels, load_topics, open_passages
from instrerank.encoders import load_encoder
from instrerank.files import read_lines, whole_file
from instrerank.perturbations import generator
from instrerank.perturbations.constraints import Constraint, constrain
from instrerank.reranking import Candidates, rerank
from instrerank.training.vectors.wordings import instruction, neutral
from instrerank.trec import ScoredDoc, read_run, write_qrels, write_run, write_topics
from instrerank.trec.types import Run

DEVELOPMENT = 120
"""Topics kept apart."""
HITS, NEAR = 12, 6
"""Of so many first-stage passages the best few by `minilm` count as relevant for a constraint: only the rule tells."""


def constraint_row(constraint: Constraint, query: str, texts: dict[str, str], seed: int) -> list[dict]:
    rng = generator(seed, "wording", constraint.qid)
    kept, dropped = (rng.sample(side, len(side)) for side in (constraint.kept, constraint.dropped))
    opposite = replace(constraint.rule, wanted=not constraint.rule.wanted)
    return [
        {
            "query": query,
            "instruction": instruction(rule, query, rng),
            "positive": texts[good[0]],
            "negatives": [texts[docid] for docid in bad[:3]],
        }
        for rule, good, bad in ((constraint.rule, kept, dropped), (opposite, dropped, kept))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True, help="run.mini.txt, run.dl22.txt of instrerank search")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--topics", type=int, default=600, help="InstructIR topics to train on")
    parser.add_argument("--rules", type=int, default=6, help="rules for each topic")
    arguments = parser.parse_args()
    data, output = arguments.data, arguments.output

    mini = load_topics(data / "instructir" / "mini.topics.tsv")
    qrels = load_qrels(data / "instructir" / "mini.qrels.txt")
    dl22 = load_topics(data / "dl22" / "topics.tsv")
    runs = [read_run(arguments.runs / f"run.{name}.txt") for name in ("mini", "dl22")]
    rankings = {qid: [each.docid for each in ranking] for run in runs for qid, ranking in run.rankings.items()}
    order = generator(1, "split", "")
    mini = order.sample(mini, len(mini))
    development, training = mini[:DEVELOPMENT], mini[DEVELOPMENT : DEVELOPMENT + arguments.topics]

    wanted = {docid for topic in [*mini, *dl22] for docid in rankings[topic.qid]}
    wanted |= {docid for topic in mini for docid in qrels[topic.qid]}
    texts = {}
    for source in ("pool", "dl22"):
        texts |= open_passages(data / source / "passages.jsonl.gz").lookup(wanted)
    asking = [*training, *development, *dl22]
    first = {topic.qid: [ScoredDoc(docid, 0.0) for docid in rankings[topic.qid][:HITS]] for topic in asking}
    candidates = [Candidates(topic, first[topic.qid], []) for topic in asking]
    best, _ = rerank(candidates, texts, load_encoder("minilm"), tag="minilm")
    near = {qid: {each.docid: 1 for each in ranking[:NEAR]} for qid, ranking in best.rankings.items()}

    rows: list[object] = []
    for seed in range(1, arguments.rules + 1):
        found, _ = constrain([*training, *dl22], near, texts, seed)
        queries = {topic.qid: topic.text for topic in [*training, *dl22]}
        rows += [constraint_row(each, queries[each.qid], texts, seed) for each in found]
    constraints = len(rows)

    known = {topic.qid for topic in training}
    instructed = [json.loads(line) for _, line in read_lines(data / "instructir" / "instructions.jsonl.gz")]
    asked = [
        (each["base_qid"], each["query"], each["instruction"])
        for each in instructed
        if each["base_qid"] in known and int(each["qid"].rpartition("_")[2]) <= 2
    ]
    for topic in training:
        rng = generator(1, "plain", topic.qid)
        asked += [(topic.qid, topic.text, "")] * 3
        asked += [(topic.qid, topic.text, neutral(topic.text, rng)) for _ in range(2)]
    for at, (qid, query, text) in enumerate(asked):
        rng = generator(at, "answers", qid)
        answer = next(iter(qrels[qid]))
        others = [docid for docid in rankings[qid][20:] if docid != answer]
        negatives = [texts[docid] for docid in rng.sample(others, min(3, len(others)))]
        rows.append({"query": query, "instruction": text, "positive": texts[answer], "negatives": negatives})
    with whole_file(output / "rows.jsonl") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    write_topics(output / "development.topics.tsv", development)
    write_qrels(output / "development.qrels.txt", {topic.qid: qrels[topic.qid] for topic in development})
    write_qrels(output / "development.near.txt", {topic.qid: near[topic.qid] for topic in development})
    kept = {topic.qid: runs[0].rankings[topic.qid] for topic in development}
    write_run(output / "development.run.txt", Run("bm25", kept))
    print(f"{constraints} rows of constraints, {len(rows) - constraints} of answers; {len(development)} topics apart")


if __name__ == "__main__":
    main()
