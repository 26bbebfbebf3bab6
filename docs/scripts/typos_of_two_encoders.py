"""Five typo seeds, two encoders: does one lose less? Seeds are averaged within topics, then a paired test."""

import instrerank as ir

study = ir.run_study(
    {"collection": "pocket", "encoders": ["minilm", "instrerank-minilm"], "perturbations": ["typo-mixed"]},
    output="studies/typos",
    seeds=[1, 2, 3, 4, 5],
    measures=["ndcg_cut.10", "recall.20"],
)
print(*study.answer, study.folder / "tables", sep="\n")
