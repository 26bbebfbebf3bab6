"""Three encoders over three collections, each a folder of topics.tsv, qrels.txt, run.txt and passages.jsonl."""

import instrerank as ir

encoders = {"minilm": {}, "instrerank-minilm": {}, "minilm, int8": {"encoder": "minilm", "dtype": "int8"}}
for name, options in encoders.items():
    row = [name]
    for folder in ("tides", "bread", "moons"):
        given = {"encoder": name, "corpus": f"{folder}/passages.jsonl", **options}
        run = ir.rerank(f"{folder}/run.txt", f"{folder}/topics.tsv", **given)
        row.append(f"{ir.evaluate(run, f'{folder}/qrels.txt', ['nDCG@10']).means['nDCG@10']:.4f}")
    print(*row, sep="\t")
