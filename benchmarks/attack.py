"""The attacks on passages and the adaptive injections of docs/attack.md, measured again on TREC DL 2019.

    python benchmarks/attack.py ../shared/data throughput promotion payloads --topics 10

`throughput`: passages per second of an attack as a share of the engine's alone over the same texts, both in one run.
"""

import argparse
import statistics
import time
from pathlib import Path

from work import dl19, in_rotation, ratio

from instrerank.encoders import load_encoder
from instrerank.jobs.attack import attack
from instrerank.jobs.promote import promote
from instrerank.jobs.promotion_plan import PromotionSettings, choose, prepare, search_of
from instrerank.perturbations import resolve
from instrerank.perturbations.promotion import Aim
from instrerank.perturbations.searching import Budget
from instrerank.tables import render
from instrerank.trec.types import Topic

ENCODERS = ("minilm", "instrerank-minilm")
SEARCHES = (
    {"perturbation": "synonym", "strategy": "beam"},
    {"perturbation": "word-insertion", "strategy": "worst"},
    {"perturbation": "word-insertion", "strategy": "greedy"},
    {"perturbation": "word-insertion", "strategy": "beam"},
    {"perturbation": "word-replacement", "strategy": "beam"},
    {"perturbation": "word-mixed", "strategy": "beam"},
    {"perturbation": "injection-payload", "strategy": "beam"},
    {"perturbation": "word-mixed", "strategy": "beam", "universal": True},
)
FIXED = [f"injection-{kind}-{place}" for kind in ("task", "criterion", "role") for place in ("front", "back")]


def inputs(work):
    """Return the arguments that all attacks share."""
    runs = {qid: {docid: -float(rank) for rank, docid in enumerate(docids)} for qid, docids in work.candidates.items()}
    topics = [Topic(qid, text) for qid, text in work.topics.items()]
    return {"topics": topics, "run": runs, "corpus": work.passages, "qrels": work.qrels}


def throughput(work):
    """Time the same passages inside and outside the search of an attack."""
    encoder = load_encoder("minilm", store=None)
    rows = []
    for strategy in ("greedy", "beam"):
        budget = Budget(edits=5, candidates=60)
        plan = prepare(PromotionSettings(**inputs(work), encoder=encoder, strategy=strategy, budget=budget))
        best, outsiders = choose(plan, plan.victim.targets())
        aims = [Aim([each]) for each in outsiders]
        searches = [search_of(plan, aim, best) for aim in aims]
        texts, encode = [], encoder.encode_passages
        encoder.encode_passages = lambda some, texts=texts, encode=encode: texts.extend(some) or encode(some)
        list(plan.promotion(searches, aims))
        del encoder.encode_passages
        times = in_rotation(
            {
                "attack": lambda run=plan.promotion, searches=searches, aims=aims: list(run(searches, aims)),
                "engine": lambda texts=texts: encoder.encode_passages(texts),
            },
            3,
        )
        attacked, alone = times["attack"], times["engine"]
        rows.append(
            [
                *(strategy, len(texts), f"{len(texts) / statistics.median(attacked.processor):.0f}"),
                f"{len(texts) / statistics.median(alone.processor):.0f}",
                f"{ratio(alone.processor, attacked.processor):.2f}",
                f"{ratio(alone.clock, attacked.clock):.2f}",
            ]
        )
        print(*rows[-1], flush=True)
    show(["strategy", "passages", "attack, passages/CPU s", "engine alone", "share", "share by the clock"], rows)


def promotion(work):
    """How far passages judged grade 0 rise, by what is changed."""
    rows = []
    for name in ENCODERS:
        encoder = load_encoder(name)
        for search in SEARCHES:
            found = promote(**inputs(work), encoder=encoder, edits=5, candidates=100, relevance_level=2, **search)
            passages, success = found.passages, found.success
            held_out = "" if found.held_out is None else f"{found.held_out.into_top:.2f}"
            label = f"trigger: {search['perturbation']}" if "universal" in search else search["perturbation"]
            rows.append(
                [
                    *(name, label, search["strategy"], success.passages, f"{success.into_top:.2f}"),
                    *(held_out, f"{success.beats_relevant:.2f}"),
                    f"{statistics.mean(each.rank - each.rank_promoted for each in passages):.1f}",
                    f"{statistics.mean(each.edits for each in passages):.1f}",
                    f"{found.encoded / len(passages):.0f}",
                    f"{statistics.mean(each.similarity for each in passages):.2f}",
                ]
            )
            print(*rows[-1], found.trigger or "", flush=True)
    header = ["encoder", "changes", "strategy", "passages", "entered top 10", "held out", "passed a relevant one"]
    show([*header, "ranks", "edits", "encodings", "cosine"], rows)


def payloads(work):
    """Fixed injections into queries beside searched ones: mean overlap with the clean top ten."""
    rows = []
    for name in ENCODERS:
        encoder = load_encoder(name)
        given = inputs(work) | {"encoder": encoder}
        # one draw of one payload, and the worst of all places and payloads that are fixed
        fixed = [attack(**given, perturbation=spec, strategy="worst", candidates=9).queries for spec in FIXED]
        worst = [min(each) for each in zip(*([one.after for one in some] for some in fixed), strict=True)]
        rows.append([name, "worst of the fixed payloads", "", f"{statistics.mean(worst):.3f}"])
        for half in ("train", "test"):
            for strategy, edits, candidates in (("worst", 1, 1), ("worst", 1, 200), ("beam", 4, 200)):
                started = time.perf_counter()
                found = attack(
                    **given,
                    perturbation=resolve(f"injection-payload:half={half}"),
                    strategy=strategy,
                    edits=edits,
                    candidates=candidates,
                )
                seconds = time.perf_counter() - started
                mean = statistics.mean(one.after for one in found.queries)
                label = "one payload drawn" if candidates == 1 else f"searched, {strategy}, {edits} edits"
                rows.append([name, label, half, f"{mean:.3f}"])
                example = min(found.queries, key=lambda one: one.after)
                print(*rows[-1], f"{seconds:.0f} s", example.attacked, flush=True)
    show(["encoder", "payload", "half", "average overlap@10"], rows)


def show(header, rows):
    """Print a table."""
    print("\n" + render(header, rows, "markdown"), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("parts", nargs="+", choices=("throughput", "promotion", "payloads"))
    parser.add_argument("--topics", type=int, default=43)
    arguments = parser.parse_args()
    for part in arguments.parts:
        print(f"\n## {part}\n", flush=True)
        globals()[part](dl19(arguments.data, arguments.topics))
