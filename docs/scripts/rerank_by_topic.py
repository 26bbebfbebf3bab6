"""Rerank BM25's candidates under the topics' instructions, and print nDCG@10 topic by topic."""

import instrerank as ir

ir.build_index("pocket", "indexes/pocket")
bm25 = ir.search("pocket", index="indexes/pocket", hits=100)
run = ir.rerank(bm25, "pocket", corpus="pocket", encoder="instrerank-minilm", instructions="pocket", output="run.txt")
scores = ir.evaluate(run, "pocket", ["nDCG@10"])
for qid, measures in scores.per_query.items():
    print(qid, f"{measures['nDCG@10']:.4f}")
print("mean", f"{scores.means['nDCG@10']:.4f}")
