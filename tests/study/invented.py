"""A study's folder with invented numbers, in the form of `instrerank study`."""

from __future__ import annotations

import json
import random
from pathlib import Path

from instrerank.study.rows import (
    CellMean,
    FamilyRobustness,
    Hypothesis,
    InstructionEffect,
    Interaction,
    ProbeRate,
    RankFlip,
    Robustness,
    TopicScore,
)
from instrerank.study.table_files import write_table

SYSTEMS = (("minilm", "none"), ("minilm", "own"), ("tuned", "own"))
PERTURBATIONS = (
    ("typo-swap", "typo", "invariance", True),
    ("typo-mixed", "typo", "invariance", True),
    ("word-swap", "ordering", "invariance", True),
    ("negation", "negation", "directional", False),
)
"""Name, family, what is expected, and whether it is part of the headline."""

MEASURES = ("ndcg_cut_10", "recall_10", "recall_50", "judged_10")
QUERY = "how to <script>alert('x')</script> brew & serve tea"
"""The query of every topic: markup that a page must show unchanged."""


def write_study(
    folder: Path,
    *,
    systems=SYSTEMS,
    perturbations=PERTURBATIONS,
    measures=MEASURES,
    modes=("fixed", "retrieve"),
    topics=6,
    seeds=(1, 2),
) -> Path:
    """Write tables, query sets, sidecars and study.yaml, the same for the same arguments."""
    for mode in modes:
        _Mode(folder, mode, systems, perturbations, measures, topics, seeds).write()
    for name, *_ in perturbations:
        for seed in seeds:
            _write_queries(folder / "topics" / f"topics.tea.{name}.s{seed}.jsonl", topics)
    (folder / "study.yaml").write_text("name: tea\nnote: '<b>not bold</b>'\nversions:\n  instrerank: 0.1.0\n")
    return folder


def _write_queries(path, topics):
    path.parent.mkdir(parents=True, exist_ok=True)
    edits = [
        {"kind": "swap", "position": 0, "before": "ho", "after": "oh"},
        {"kind": "zero-width", "position": 3, "before": "", "after": "\u200b"},
        {"kind": "cut", "position": len(QUERY) - 2, "before": "tea", "after": ""},
    ]
    text = "oh" + QUERY[2] + "\u200b" + QUERY[3 : len(QUERY) - 3]
    records = [
        {"qid": str(qid), "text": text, "original": QUERY, "changed": True, "edits": edits} for qid in range(topics)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


class _Mode:
    def __init__(self, folder, mode, systems, perturbations, measures, topics, seeds):
        self.folder, self.mode = folder, mode
        self.systems, self.perturbations, self.measures = systems, perturbations, measures
        self.qids, self.seeds = [str(qid) for qid in range(topics)], seeds
        self.random = random.Random(mode)
        self.flips = random.Random(f"{mode} flips")
        names = ("cells", "topics", "robustness", "families", "hypotheses", "rank_flips", "interactions", "probes")
        self.tables = {name: [] for name in (*names, "instructions")}

    def write(self):
        for system in self.systems:
            self._clean(system)
            for perturbation in self.perturbations:
                self._perturbed(system, perturbation)
            for family in self._groups(family for _, family, *_ in self.perturbations):
                for measure in self.measures:
                    clean, *change = self._change()
                    row = FamilyRobustness(*system, family, 3, measure, clean, *change, clean - 0.3)
                    self.tables["families"].append(row)
        pairs = list(zip(self.systems, self.systems[1:], strict=False))
        for a, b in pairs:
            for name in self._groups(name for name, *_ in self.perturbations):
                for measure in self.measures:
                    drop_a, drop_b = self.random.uniform(0, 0.2), self.random.uniform(0, 0.2)
                    p = self.random.random() ** 4
                    low_high = (drop_a - drop_b - 0.02, drop_a - drop_b + 0.02)
                    drops = (drop_a, drop_b, drop_a - drop_b)
                    tests = (p, min(1.0, 3 * p), self.random.gauss(), p)
                    row = Hypothesis(*a, *b, name, measure, len(self.qids), *drops, *low_high, *tests)
                    self.tables["hypotheses"].append(row)
            for family in self._groups(family for _, family, *_ in self.perturbations):
                for measure in self.measures:
                    clean, perturbed = self.flips.uniform(0, 0.1), self.flips.gauss(0.05, 0.1)
                    counts = (family, 2, 2 * len(self.seeds), measure, len(self.qids))
                    row = RankFlip(*a, *b, *counts, clean, perturbed, perturbed < 0, self.flips.random())
                    self.tables["rank_flips"].append(row)
        for system in self.systems:
            self.tables["instructions"] += [
                InstructionEffect(*system, "ndcg_cut_10", len(self.qids), 0.61, 0.6, 0.01, -0.02, 0.04, 0.4, 0.8),
                InstructionEffect(*system, "p_mrr", 5, 12.3456789, low=-1.5, high=25.25),
                InstructionEffect(*system, "prompt_sensitivity ndcg_cut_10", 5, 0.0123456),
            ]
            self.tables["interactions"] += [
                Interaction(*system, "typo-swap", 1, measure, 6, 0.1, 0.1, None, None, None, None, None, None)
                for measure in self.measures
            ]
            self.tables["interactions"] += [
                Interaction(*system, "typo-swap+word-swap", 2, measure, 6, 0.3, 0.2, 0.1, 0.05, 0.2, 0.01, 0.04, 0.7)
                for measure in self.measures
            ]
            rate = (0.75, 0.61, 0.89, 0.004, 0.012)
            self.tables["probes"].append(ProbeRate(*system, "probe-foil", "directional", 6, 20, 3, 1, *rate))
        for name, rows in self.tables.items():
            write_table(self.folder / "tables" / self.mode, name, rows)

    def _groups(self, names):
        return [*dict.fromkeys(names), "invariance"] if self.perturbations else []

    def _change(self):
        clean, difference = self.random.uniform(0.4, 0.7), self.random.gauss(-0.08, 0.08)
        return clean, clean + difference, difference, difference / clean, difference - 0.03, difference + 0.03

    def _cell(self, system, perturbation, seed):
        label = "clean" if seed is None else f"{perturbation[0]}.s{seed}"
        run = f"runs/{self.mode}/run.tea.bm25.{system[0]}.{system[1]}.{label}.txt"
        path = self.folder / f"{run}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            "implementation:\n  executable:\n    cmd: instrerank study tea.yaml\n" + f"run:\n  sha256: {'0' * 64}\n"
        )
        for measure in self.measures:
            scores = [self.random.random() for _ in self.qids]
            mean = sum(scores) / len(scores)
            counts = (seed, len(self.qids), 0 if seed is None else len(self.qids))
            self.tables["cells"].append(CellMean(*system, *perturbation[:3], *counts, measure, mean, run))
            for qid, score in zip(self.qids, scores, strict=True):
                self.tables["topics"].append(TopicScore(*system, perturbation[0], seed, measure, qid, score))

    def _clean(self, system):
        self._cell(system, ("clean", None, None), None)

    def _perturbed(self, system, perturbation):
        for seed in self.seeds:
            self._cell(system, perturbation, seed)
        stability = [self.random.random() for _ in range(3)]
        for measure in self.measures:
            clean, *change = self._change()
            p = self.random.random() ** 6
            tests = [p, min(1.0, 4 * p), -0.4, 1, 2, len(self.qids) - 3]
            spread = [clean - 0.3, 0.0123, 0.5, *stability]
            row = (*system, *perturbation, len(self.seeds), 0.9, measure, clean, *change, *tests, *spread)
            self.tables["robustness"].append(Robustness(*row))
