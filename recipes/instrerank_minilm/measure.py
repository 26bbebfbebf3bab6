"""Measure an adapter against its base model on data that the recipe never trains on.

python recipes/instrerank_minilm/measure.py --data DATA ENCODER [ENCODER …]    (see README.md beside this)

Differences are to the base (`--base`, else `minilm`), with 95 % bootstrap intervals over topics (InstructIR: over
instructions). p-MRR is FollowIR's, for the passages that stop being relevant ("dropped") and, by the same formula, for
those that stay so ("kept").
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from instrerank.collections import load_instructions, load_qrels, load_topics, open_passages
from instrerank.encoders import Encoder, load_encoder
from instrerank.evaluation.instructions import changed_documents, p_mrr_by_topic
from instrerank.evaluation.measures import evaluate
from instrerank.evaluation.significance import compare
from instrerank.files import read_lines
from instrerank.perturbations import generator
from instrerank.perturbations.constraints import constrain, constrained_qrels
from instrerank.perturbations.registry import resolve
from instrerank.reranking import rerank, select_candidates
from instrerank.training.vectors.recipe import read_recipe
from instrerank.training.vectors.sources import split_topics
from instrerank.training.vectors.teacher import Vectors
from instrerank.trec import Qrels, Run, ScoredDoc, Topic, read_run

Values = dict[str, float]
"""By topic."""
RECIPE = Path(__file__).with_name("recipe.yaml")
INJECTIONS = tuple(
    f"injection-{kind}-{place}" for kind in ("task", "criterion", "role") for place in ("front", "back")
)
SEEDS = 5
"""Draws of DL19's constraints, averaged inside the topic."""


def ranked(encoder: Encoder, run: Run, topics: Sequence[Topic], texts: Mapping[str, str]) -> Run:
    of_topics = Run(run.tag, {topic.qid: run.rankings[topic.qid] for topic in topics})
    candidates, _ = select_candidates(of_topics, topics, texts, hits=100)
    return rerank(candidates, texts, encoder, tag="")[0]


def ndcg(run: Run, qrels: Qrels) -> Values:
    return {qid: one["ndcg_cut_10"] for qid, one in evaluate(run, qrels, ["ndcg_cut.10"]).per_query.items()}


def narrowed(
    encoder: Encoder,
    run: Run,
    topics: Sequence[Topic],
    texts: Mapping[str, str],
    instructions: tuple[Mapping[str, str], Mapping[str, str]],
    qrels: tuple[Qrels, Qrels],
    level: int,
    *,
    in_query: bool = False,
) -> dict[str, Values]:
    """Measure one narrowing of instructions: p-MRR of both kinds of passages, nDCG@10 before and after."""
    before, after = (
        ranked(encoder, run, [_with(topic, given[topic.qid], in_query) for topic in topics], texts)
        for given in instructions
    )
    within = {qid: {each.docid for each in ranking[:100]} for qid, ranking in run.rankings.items()}
    dropped = changed_documents(*qrels, level)
    kept = {
        qid: [docid for docid, grade in qrels[1][qid].items() if grade >= level and docid in within[qid]]
        for qid in dropped
    }
    dropped = {qid: [docid for docid in docids if docid in within[qid]] for qid, docids in dropped.items()}
    both = [qid for qid in dropped if dropped[qid] and kept[qid]]
    found = {
        name: p_mrr_by_topic(before, after, {qid: which[qid] for qid in both})
        for name, which in (("dropped", dropped), ("kept", kept))
    }
    return {
        "p-MRR dropped": p_mrr_by_topic(before, after, changed_documents(*qrels, level)),
        "p-MRR kept": found["kept"],
        "p-MRR dropped − kept": {qid: found["dropped"][qid] - found["kept"][qid] for qid in both},
        "nDCG@10, original instruction": ndcg(before, qrels[0]),
        "nDCG@10, changed instruction and qrels": ndcg(after, qrels[1]),
    }


def _with(topic: Topic, instruction: str, in_query: bool) -> Topic:
    """Return a topic with an instruction, or with the instruction inside its text, where it is not to be obeyed."""
    return topic._replace(text=f"{topic.text} {instruction}") if in_query else topic._replace(instruction=instruction)


def dl19(data: Path, encoder: Encoder) -> dict[str, Values]:
    folder = data / "dl19"
    run, qrels = read_run(folder / "run.bm25.trec"), load_qrels(folder / "qrels.txt")
    texts = {each.docid: each.text for each in open_passages(folder / "passages.jsonl.gz")}
    topics = load_topics(folder / "topics.tsv")
    found = {"nDCG@10, clean": ndcg(ranked(encoder, run, topics, texts), qrels)}
    sets = [load_topics(path) for path in sorted((folder / "typos").glob("*.tsv"))]
    found["nDCG@10, typo sets"] = inside([ndcg(ranked(encoder, run, each, texts), qrels) for each in sets])
    drops = []
    for name in INJECTIONS:
        apply = resolve(name).for_topics(topics, 1)
        asked = [apply(topic, generator(1, name, topic.qid)).topic for topic in topics]
        found[f"nDCG@10, {name}"] = ndcg(ranked(encoder, run, asked, texts), qrels)
        drops.append(found[f"nDCG@10, {name}"])
    found["nDCG@10, mean of six injections"] = inside(drops)
    draws: list[dict[str, Values]] = []
    for seed in range(1, SEEDS + 1):
        constraints, _ = constrain(topics, qrels, texts, seed, relevance_level=2)
        asked = [topic for topic in topics if topic.qid in {each.qid for each in constraints}]
        instructions = tuple(
            {each.qid: getattr(each, kind) for each in constraints} for kind in ("original", "changed")
        )
        labelled = constrained_qrels(constraints, qrels, texts)
        labels = labelled["original"], labelled["changed"]
        draws.append(narrowed(encoder, run, asked, texts, instructions, labels, 2))
        obeyed = narrowed(encoder, run, asked, texts, instructions, labels, 2, in_query=True)
        draws[-1] |= {f"{name}, instruction in the query": obeyed[name] for name in obeyed if "p-MRR" in name}
    found |= {f"{name}, seed 1": values for name, values in draws[0].items()}
    return found | {f"{name}, {SEEDS} seeds": inside([draw[name] for draw in draws]) for name in draws[0]}


def inside(draws: Sequence[Values]) -> Values:
    """Average draws inside each topic; a draw that has no value for a topic does not count there."""
    qids = dict.fromkeys(qid for draw in draws for qid in draw)
    return {qid: float(np.mean([draw[qid] for draw in draws if qid in draw])) for qid in qids}


def pocket(run: Path, encoder: Encoder) -> dict[str, Values]:
    first, topics = read_run(run), load_topics("pocket")
    texts = {each.docid: each.text for each in open_passages("pocket")}
    instructions, qrels = (
        tuple(load(f"pocket:{kind}") for kind in ("original", "changed")) for load in (load_instructions, load_qrels)
    )
    found = {"nDCG@10, clean": ndcg(ranked(encoder, first, topics, texts), qrels[0])}
    return found | narrowed(encoder, first, topics, texts, instructions, qrels, 1)


def nearest(vectors: Vectors, passages: Vectors, docids: Sequence[str], qids: Sequence[str]) -> Run:
    """Rank the ten passages [n, d] nearest to each query [qids, d]."""
    run = Run("", {})
    for qid, scores in zip(qids, vectors @ passages.T, strict=True):
        best = np.argpartition(-scores, 10)[:10]
        run.rankings[qid] = [ScoredDoc(docids[at], float(scores[at])) for at in best]
    return run


def instructir(data: Path, encoder: Encoder) -> dict[str, Values]:
    """Rank all passages of the pool for InstructIR's topics kept apart, with each of their instructions."""
    apart, _ = split_topics(read_recipe(RECIPE), data)
    texts = {each.docid: each.text for each in open_passages(data / "pool" / "passages.jsonl.gz")}
    answers, docids = load_qrels(data / "instructir" / "mini.qrels.txt"), list(texts)
    passages = encoder.encode_passages(list(texts.values())).vectors
    told = [json.loads(line) for _, line in read_lines(data / "instructir" / "instructions.jsonl.gz")]
    qids = {topic.qid: topic for topic in apart}
    asked = [(each["qid"], qids[each["base_qid"]], each["instruction"]) for each in told if each["base_qid"] in qids]
    found = {}
    for name, cases in (
        ("clean", [(topic.qid, topic, "") for topic in apart]),
        ("with its instructions", asked),
    ):
        vectors = encoder.encode_queries([each.text for _, each, _ in cases], [said for _, _, said in cases]).vectors
        run = nearest(vectors, passages, docids, [qid for qid, _, _ in cases])
        judged = {qid: answers[topic.qid] for qid, topic, _ in cases}
        found[f"nDCG@10, {name}"] = ndcg(run, judged)
    return found


def scifact(data: Path, encoder: Encoder) -> dict[str, Values]:
    """Rank all cited abstracts for each claim asked for support and for contradiction; p-MRR by claim."""
    folder = data / "scifact"
    with (folder / "stance.train.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["label"] in ("SUPPORT", "CONTRADICT")]
    texts = open_passages(folder / "corpus.jsonl.gz").lookup({row["doc_id"] for row in rows})
    run = {row["claim_id"]: [ScoredDoc(docid, 0.0) for docid in texts] for row in rows}
    topics = [Topic(qid, text) for qid, text in {row["claim_id"]: row["claim"] for row in rows}.items()]
    said = {
        "SUPPORT": "Find abstracts that support the claim. Abstracts that contradict it are not relevant.",
        "CONTRADICT": "Find abstracts that contradict the claim. Abstracts that support it are not relevant.",
    }
    own = {row["claim_id"]: row["label"] for row in rows}
    opposite = {"SUPPORT": "CONTRADICT", "CONTRADICT": "SUPPORT"}
    runs = []
    for labels in (own, {qid: opposite[label] for qid, label in own.items()}):
        asked = [topic._replace(instruction=said[labels[topic.qid]]) for topic in topics]
        candidates, _ = select_candidates(Run("", run), asked, texts, hits=len(texts))
        runs.append(rerank(candidates, texts, encoder, tag="")[0])
    cited: dict[str, list[str]] = {}
    for row in rows:
        cited.setdefault(row["claim_id"], []).append(row["doc_id"])
    return {"p-MRR, the other stance": p_mrr_by_topic(*runs, cited)}


def whole(data: Path, documents: str, folder: str, encoder: Encoder) -> dict[str, Values]:
    """Rank all documents of a small collection for its bare topics."""
    texts = {each.docid: each.text for each in open_passages(data / documents) if each.text.strip()}
    topics, qrels = load_topics(data / folder / "topics.tsv"), load_qrels(data / folder / "qrels.txt")
    topics = [topic for topic in topics if topic.qid in qrels]
    vectors = encoder.encode_queries([topic.text for topic in topics]).vectors
    passages = encoder.encode_passages(list(texts.values())).vectors
    run = nearest(vectors, passages, list(texts), [topic.qid for topic in topics])
    return {"nDCG@10, clean": ndcg(run, qrels)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="+", metavar="ENCODER")
    parser.add_argument("--data", type=Path, required=True, help="folder with dl19/, pool/, instructir/ and scifact/")
    parser.add_argument("--base", default="minilm", help="model that the others are compared with")
    parser.add_argument("--pocket-run", type=Path, default=Path("runs/run.pocket.bm25.none.none.clean.txt"))
    parser.add_argument("--collections", default="dl19,pocket,instructir,scifact,scifact-topics,cranfield-topics")
    arguments = parser.parse_args()
    collections: dict[str, Callable[[Encoder], dict[str, Values]]] = {
        "dl19": partial(dl19, arguments.data),
        "pocket": partial(pocket, arguments.pocket_run),
        "instructir": partial(instructir, arguments.data),
        "scifact": partial(scifact, arguments.data),
        "scifact-topics": partial(whole, arguments.data, "scifact/corpus.jsonl.gz", "scifact"),
        "cranfield-topics": partial(whole, arguments.data, "cranfield/documents.jsonl.gz", "cranfield"),
    }
    names = [arguments.base, *arguments.encoders]
    encoders = [load_encoder(name) for name in names]
    print(f"| measure | {' | '.join(names)} |\n|{'---|' * (1 + len(names))}")
    for collection in arguments.collections.split(","):
        found = [collections[collection](encoder) for encoder in encoders]
        for measure, base in found[0].items():
            factor, digits = (100, 1) if measure.startswith("p-MRR") else (1, 4)
            cells = [f"{factor * np.mean(list(base.values())):.{digits}f}"]
            for other in found[1:]:
                both = ([factor * values[qid] for qid in base] for values in (other[measure], base))
                result = compare(*both, randomisation=False)
                low, high = result.interval or (float("nan"), float("nan"))
                difference = ", ".join(f"{each:+.{digits}f}" for each in (low, high))
                cells.append(f"{result.mean:.{digits}f}, {result.difference:+.{digits}f} [{difference}]")
            print(f"| {collection} {measure} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
