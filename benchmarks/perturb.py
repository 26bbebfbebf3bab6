"""The tables of docs/perturb.md, docs/constrain.md and docs/attack.md, measured again.

    python benchmarks/perturb.py ../shared/data speed variants effects attack passages constraints

`speed` needs no model; the others rerank the BM25 top 100 of TREC DL 2019 with minilm.
"""

import json
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from functools import cached_property
from pathlib import Path

import numpy as np
from rapidfuzz.distance import OSA
from scipy.stats import ttest_rel

from instrerank.collections import open_passages
from instrerank.encoders import load_encoder
from instrerank.evaluation.measures import evaluate
from instrerank.files import read_lines
from instrerank.jobs.attack import _measured
from instrerank.perturbations import describe, query_set, resolve, resolve_all, write_query_set
from instrerank.perturbations.attack import Attack, Target, least_overlap, rankings
from instrerank.perturbations.constraints import constrain
from instrerank.perturbations.passages import attack_passages, attack_success, choose_victims
from instrerank.perturbations.searching import Budget
from instrerank.tables import render
from instrerank.trec import Run, ScoredDoc, read_qrels, read_run, read_topics
from instrerank.trec.types import Topic

SEEDS = range(1, 11)
PUBLISHED = {
    "typo-swap": "misspelling:WordSwapNeighboringCharacterSwap",
    "typo-keyboard": "misspelling:WordSwapQWERTY",
    "typo-substitute": "misspelling:WordSwapRandomCharacterSubstitution",
    "stopword-removal": "naturality:naturality_by_removing_stop_words",
    "keywords": "naturality:summarization_with_t5-base_from_description_to_title",
    "word-swap": "ordering:WordInnerSwapRandom",
}


class Dl19:
    """TREC DL 2019 with the passages of the official BM25 run, each encoded once."""

    def __init__(self, data: Path):
        self.folder = data / "dl19"
        self.topics = read_topics(self.folder / "topics.tsv")
        self.qrels = read_qrels(self.folder / "qrels.txt")
        run = read_run(self.folder / "run.bm25.trec", keep_first_duplicate=True)
        self.docids = {qid: [hit.docid for hit in ranking] for qid, ranking in run.rankings.items()}

    @cached_property
    def encoder(self):
        """The victim."""
        return load_encoder("minilm")

    @cached_property
    def texts(self):
        """Passage texts of the run by docid."""
        return open_passages(self.folder / "passages.jsonl.gz").lookup(
            {d for some in self.docids.values() for d in some}
        )

    @cached_property
    def targets(self):
        """The topics with the vectors of their candidates."""
        docids = sorted(self.texts)
        vectors = self.encoder.encode_passages([self.texts[docid] for docid in docids]).vectors
        row = {docid: number for number, docid in enumerate(docids)}
        return [
            Target(topic, self.docids[topic.qid], vectors[[row[docid] for docid in self.docids[topic.qid]]])
            for topic in self.topics
        ]

    def ndcg(self, topics):
        """nDCG@10 of each topic, with the clean query's candidates."""
        queries = self.encoder.encode_queries([t.text for t in topics], [t.instruction for t in topics]).vectors
        run = Run("x")
        for target, query in zip(self.targets, queries, strict=True):
            [ranking] = rankings(target, query[None])
            run.rankings[target.topic.qid] = [ScoredDoc(docid, -rank) for rank, docid in enumerate(ranking)]
        per_query = evaluate(run, self.qrels, ["ndcg_cut.10"]).per_query
        return np.array([per_query[topic.qid]["ndcg_cut_10"] for topic in self.topics])

    def mean_over_seeds(self, name, seeds=SEEDS):
        """nDCG@10 of each topic, averaged over the draws."""
        perturbation = resolve(name)
        seeds = seeds if perturbation.seeded else [1]
        return np.mean([self.ndcg(query_set(self.topics, perturbation, seed).topics) for seed in seeds], axis=0)


def speed(data):
    """`perturb --perturbations all --seeds 1..10` over 7,019 topics with instructions, CPU seconds by family."""
    rows = [json.loads(line) for _, line in read_lines(data / "instructir" / "instructions.jsonl.gz")]
    topics = [Topic(row["qid"], row["query"], " ".join(row["instruction"].split())) for row in rows]
    seconds, counts = defaultdict(float), Counter()
    with tempfile.TemporaryDirectory() as folder:
        for perturbation in resolve_all(["all"]):
            started = time.process_time()
            for seed in SEEDS if perturbation.seeded else [1]:
                paths = write_query_set(folder, query_set(topics, perturbation, seed, "instructir"))
                for path in paths:
                    path.unlink()
            seconds[perturbation.family] += time.process_time() - started
            counts[perturbation.family] += 1
    show(["family", "perturbations", "CPU s"], [[f, counts[f], f"{s:.1f}"] for f, s in sorted(seconds.items())])
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB\n")


def variants(data):
    """Our draws beside the published, human-validated variants of the same topics."""
    dl19 = Dl19(data)
    clean = {topic.qid: topic.text for topic in dl19.topics}
    published = defaultdict(dict)
    for _, line in list(read_lines(dl19.folder / "variations.tsv"))[1:]:
        qid, method, text = line.split("\t")
        published[method][qid] = text
    for number in range(1, 6):
        published[f"typos/typo{number}"] = {
            t.qid: t.text for t in read_topics(dl19.folder / f"typos/typo{number}.tsv")
        }
    rows = []
    for name, method in PUBLISHED.items():
        perturbation = resolve(name)
        seeds = SEEDS if perturbation.seeded else [1]
        drawn = [(t.qid, t.text) for seed in seeds for t in query_set(dl19.topics, perturbation, seed).topics]
        rows += [_distribution(name, clean, drawn), _distribution(f"— {method}", clean, published[method].items())]
    drawn = [(t.qid, t.text) for seed in SEEDS for t in query_set(dl19.topics, resolve("typo-mixed"), seed).topics]
    sets = [pair for number in range(1, 6) for pair in published[f"typos/typo{number}"].items()]
    rows += [_distribution("typo-mixed", clean, drawn), _distribution("— CharacterBERT-DR typo1–5", clean, sets)]
    show(["", "variants", "changed %", "OSA distance", "characters / clean", "words / clean"], rows)


def _distribution(name, clean, pairs):
    pairs = [(clean[qid], text) for qid, text in pairs]
    return [
        name,
        len(pairs),
        f"{100 * statistics.mean(old != new for old, new in pairs):.0f}",
        f"{statistics.mean(OSA.distance(old, new) for old, new in pairs):.2f}",
        f"{statistics.mean(len(new) / len(old) for old, new in pairs):.3f}",
        f"{statistics.mean(len(new.split()) / len(old.split()) for old, new in pairs):.3f}",
    ]


def effects(data):
    """Mean nDCG@10 by perturbation, and the published typo sets on the same candidates."""
    dl19 = Dl19(data)
    clean = dl19.ndcg(dl19.topics)
    published = [dl19.ndcg(read_topics(dl19.folder / f"typos/typo{number}.tsv")).mean() for number in range(1, 6)]
    ours = [dl19.ndcg(query_set(dl19.topics, resolve("typo-mixed"), seed).topics).mean() for seed in SEEDS]
    print(f"clean {clean.mean():.4f}; published typo1–5 {np.mean(published):.4f}; typo-mixed {np.mean(ours):.4f}\n")
    rows = []
    for perturbation in describe():
        if perturbation.changes == "text" and not perturbation.needs:
            values = dl19.mean_over_seeds(perturbation.name)
            rows.append(
                [perturbation.family, perturbation.name, f"{values.mean():.4f}", f"{(values - clean).mean():+.4f}"]
            )
    show(["family", "perturbation", "nDCG@10", "Δ"], sorted(rows))


def attack(data):
    """What a search finds, beside random typos."""
    dl19 = Dl19(data)
    clean = dl19.ndcg(dl19.topics)
    random = dl19.mean_over_seeds("typo-mixed")
    vectors = dl19.encoder.encode_queries([topic.text for topic in dl19.topics]).vectors
    ranked = [rankings(target, vector[None])[0] for target, vector in zip(dl19.targets, vectors, strict=True)]
    overlap = least_overlap({topic.qid: ranking for topic, ranking in zip(dl19.topics, ranked, strict=True)})
    oracle = _measured(dl19.qrels, "ndcg_cut.10", 1)
    rows = [
        ["clean", "", 0, f"{clean.mean():.4f}", "", "", ""],
        ["random typos, mean of 10", "", 1, f"{random.mean():.4f}", "", "", ""],
    ]
    for name, objective in (("overlap", overlap), ("oracle nDCG@10", oracle)):
        for strategy, edits in (("worst", 1), ("greedy", 1), ("worst", 2), ("greedy", 2), ("beam", 2)):
            search = Attack(
                dl19.encoder, resolve("typo-mixed"), objective, strategy=strategy, budget=Budget(edits=edits)
            )
            started = time.perf_counter()
            found = [search(target) for target in dl19.targets]
            rate = sum(one.candidates for one in found) / (time.perf_counter() - started)
            values = dl19.ndcg([one.perturbed.topic for one in found])
            test = ttest_rel(values, random)
            rows.append(
                [
                    *(name, strategy, edits, f"{values.mean():.4f}", f"{(values - random).mean():+.4f}"),
                    *(f"{test.pvalue:.1g}", f"{rate:.0f}"),
                ]
            )
    show(["objective", "strategy", "edits", "nDCG@10", "against random", "p (paired t)", "candidates/s"], rows)


def passages(data):
    """Attack success rate of passage injections."""
    dl19 = Dl19(data)
    victims = choose_victims({target.topic.qid: target.docids for target in dl19.targets}, dl19.qrels, 1)
    rows = []
    for what in ("query", "keywords", "task", "criterion", "role"):
        for place in ("start", "middle", "end"):
            injected = attack_passages(dl19.targets, victims, dl19.texts, dl19.encoder, what, place)
            success = attack_success(
                injected.clean, injected.attacked, victims, lambda qid, docid: dl19.qrels[qid].get(docid, 0) >= 2
            )
            rows.append([what, place, success.passages, *(f"{share:.2f}" for share in success[1:])])
    show(["injected", "place", "passages", "rose", "entered top 10", "passed a relevant one"], rows)


def constraints(data):
    """How many topics have a verified split."""
    dl19 = Dl19(data)
    relevant = {d for grades in dl19.qrels.values() for d, grade in grades.items() if grade > 0}
    texts = open_passages(data / "pool" / "passages.jsonl.gz").lookup(relevant)
    rows = []
    for seed in (1, 2, 3):
        found, _ = constrain(dl19.topics, dl19.qrels, texts, seed, relevance_level=2)
        kinds = Counter(one.rule.kind for one in found)
        rows.append(
            [
                *(seed, len(found), sum(len(one.dropped) for one in found), sum(len(one.kept) for one in found)),
                ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()),
            ]
        )
    show(["seed", "topics", "passages dropped", "kept", "rules"], rows)


def show(header, rows):
    print(render(header, rows, "markdown"), flush=True)


if __name__ == "__main__":
    for part in sys.argv[2:]:
        print(f"\n## {part}\n", flush=True)
        globals()[part](Path(sys.argv[1]))
