# %% [markdown]
"""How much does each topic of a study lose with the worst of its queries?

An analysis that `report.html` does not have, from its tables. After `instrerank study --output studies/pocket`, run
`python read_study.py` beside the folder `studies`, or open this file as a notebook (jupytext, VS Code).
"""

# %%
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt

from instrerank.evaluation.robustness import worst_case
from instrerank.evaluation.significance import compare
from instrerank.study.rows import TopicScore
from instrerank.study.table_files import read_table

STUDY = Path("studies/pocket")
MODE, MEASURE = "fixed", "ndcg_cut_10"

# %% [markdown]
# `topics.csv` has one row per run, measure and topic.

# %%
scores = defaultdict(lambda: defaultdict(dict))
for row in read_table(STUDY / "tables" / MODE / "topics.csv", TopicScore):
    if row.measure == MEASURE:
        scores[f"{row.encoder}/{row.instructions}"][row.perturbation, row.seed][row.qid] = row.score

# %% [markdown]
# The worst case of a topic is its lowest score over all perturbations and seeds; topics are the unit of the test.

# %%
perturbed = {system: variants for system, variants in scores.items() if len(variants) > 1}
figure, axes = plt.subplots(1, len(perturbed), figsize=(4 * len(perturbed), 4), sharey=True, squeeze=False)
for axis, (system, variants) in zip(axes[0], perturbed.items(), strict=True):
    clean = variants["clean", None]
    worst = worst_case(list(variants.values()))
    drop = compare(worst, clean)
    print(f"{system}: {drop.baseline:.4f} -> {drop.mean:.4f}, interval {drop.interval}, {drop.losses} topics lose")
    axis.scatter([clean[qid] for qid in worst], list(worst.values()))
    axis.axline((0, 0), slope=1, color="grey")
    axis.set(title=system, xlabel=f"{MEASURE}, clean query")
axes[0][0].set_ylabel("worst query")
figure.savefig(STUDY / "worst-case.png")
