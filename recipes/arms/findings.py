"""Write the tables and the plot of docs/findings.md from a study of the arms.

python recipes/arms/findings.py studies/arms docs/findings.svg [--base minilm] [--arms denoise obey …]

For each arm and family the difference of drops to the base: a topic's drop is averaged over the family's perturbations
and the arm's seeds first (`obey` stands for the encoders `obey-1`, `obey-2`, …; each can be given alone). 95 %
intervals by paired bootstrap over topics; * p < 0.05 by paired t-test, Holm over all arms and families of one measure
and mode.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from instrerank.evaluation.significance import Comparison, compare, corrected
from instrerank.perturbations.registry import describe
from instrerank.study.rows import TopicScore
from instrerank.study.table_files import read_table

ARMS = ("denoise", "obey", "both", "placebo", "infembed")
FAMILIES = (
    "typo",
    "unicode",
    "deletion",
    "ordering",
    "synonym",
    "paraphrase",
    "naturality",
    "concatenation",
    "injection",
)
Scores = dict[str, dict[str, float]]
"""By perturbation, by qid."""


def read(study: Path, mode: str, measure: str) -> dict[str, Scores]:
    """Read the scores of bare queries by encoder; draws of perturbations are averaged."""
    draws: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in read_table(study / "tables" / mode / "topics.csv", TopicScore):
        if row.measure == measure and row.instructions == "none":
            draws[row.encoder, row.perturbation][row.qid].append(row.score)
    scores: dict[str, Scores] = defaultdict(dict)
    for (encoder, perturbation), topics in draws.items():
        scores[encoder][perturbation] = {qid: float(np.mean(values)) for qid, values in topics.items()}
    return scores


def seeds_of(scores: Mapping[str, Scores], arm: str) -> list[Scores]:
    """Return the scores of an arm, one for each seed of training."""
    found = [scores[name] for name in scores if re.fullmatch(rf"{re.escape(arm)}(-\d+)?", name)]
    if not found:
        raise SystemExit(f"the study has no runs of {arm}; encoders with runs: {', '.join(scores)}")
    return found


def drops(seeds: list[Scores], members: list[str]) -> dict[str, float]:
    """Return what each topic loses, on average over seeds and perturbations."""
    lost = {
        qid: [one["clean"][qid] - one[name][qid] for one in seeds for name in members] for qid in seeds[0]["clean"]
    }
    return {qid: float(np.mean(values)) for qid, values in lost.items()}


def compared(scores: Mapping[str, Scores], base: str, arms: Sequence[str]) -> dict[tuple[str, str], Comparison]:
    """Compare the drops of the base with those of each arm, by arm and family."""
    seeds = {name: seeds_of(scores, name) for name in (base, *arms)}
    of_family = {
        family: [each.name for each in describe() if each.family == family and each.name in seeds[base][0]]
        for family in FAMILIES
    }
    lost = {(name, family): drops(seeds[name], of_family[family]) for name in seeds for family in FAMILIES}
    return {(arm, family): compare(lost[base, family], lost[arm, family]) for arm in arms for family in FAMILIES}


def table(study: Path, mode: str, measure: str, base: str, arms: Sequence[str]) -> dict[tuple[str, str], Comparison]:
    """Print one table of Markdown."""
    scores = read(study, mode, measure)
    found = compared(scores, base, arms)
    p_values = dict(zip(found, corrected([each.p_t_test for each in found.values()]), strict=True))
    print(f"\n{mode}, {measure}\n\n| | `{base}` loses | {' | '.join(f'`{arm}`' for arm in arms)} |")
    print("|---|" + "---|" * (1 + len(arms)))
    clean = {
        name: float(np.mean([list(one["clean"].values()) for one in seeds_of(scores, name)])) for name in (base, *arms)
    }
    print(f"| clean | {clean[base]:.4f} | {' | '.join(f'{clean[arm]:.4f}' for arm in arms)} |")
    for family in FAMILIES:
        cells = [f"{found[arms[0], family].mean:.4f}"]
        for arm in arms:
            one, p = found[arm, family], p_values[arm, family]
            low, high = one.interval or (float("nan"), float("nan"))
            star = "*" if p is not None and p < 0.05 else ""
            cells.append(f"{one.difference:+.3f}{star} [{low:+.3f}, {high:+.3f}]")
        print(f"| {family} | {' | '.join(cells)} |")
    return found


def plot(found: dict[tuple[str, str], Comparison], base: str, arms: Sequence[str], path: Path) -> None:
    """Plot the differences of drops, a row for each family."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "instrerank", "svg.fonttype": "none", "font.size": 9}
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 6))
    for at, arm in enumerate(arms):
        rows = np.arange(len(FAMILIES)) + (at - (len(arms) - 1) / 2) * 0.15
        middle = np.array([found[arm, family].difference for family in FAMILIES])
        ends = np.array([found[arm, family].interval for family in FAMILIES]).T
        axes.errorbar(middle, rows, xerr=np.abs(ends - middle), fmt="o", markersize=4, linewidth=1.2, label=arm)
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks(range(len(FAMILIES)), FAMILIES)
    axes.invert_yaxis()
    axes.set_xlabel(f"nDCG@10 that the arm loses less than {base} (left of 0: more), 95% bootstrap CI")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("plot", type=Path)
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--arms", nargs="+", default=ARMS)
    arguments = parser.parse_args()
    study, base, arms = arguments.study, arguments.base, arguments.arms
    scores = read(study, "fixed", "nDCG@10")
    print("seeds of training:", ", ".join(f"{arm} {len(seeds_of(scores, arm))}" for arm in arms))
    plot(table(study, "fixed", "nDCG@10", base, arms), base, arms, arguments.plot)
    modes = [mode for mode in ("fixed", "retrieve") if (study / "tables" / mode).is_dir()]
    for mode, measure in (*product(modes[1:], ["nDCG@10"]), *product(modes, ("R@10", "R@20", "R@50"))):
        table(study, mode, measure, base, arms)


if __name__ == "__main__":
    main()
