"""Narrow what is relevant by rules that a program verifies, and measure whether an encoder follows: p-MRR."""

import instrerank as ir

made = ir.constrain("pocket", "pocket", corpus="pocket", seed=1)
original, changed = (
    ir.rerank("bm25.txt", made.topics, corpus="pocket", encoder="minilm", instructions=made.instructions[kind])
    for kind in ("original", "changed")
)
[row] = ir.compare_instructions([changed], made.qrels["original"], original, made.qrels["changed"], ["nDCG@5"])
print("nDCG@5", row.original["nDCG@5"], row.changed["nDCG@5"])
print("p-MRR", sum(row.moves["p-MRR"].values()) / len(row.moves["p-MRR"]))
