"""Rerank with other packages on the same weights, in turns with this one, all in float32.

    pip install rerankers pyterrier-dr
    python benchmarks/peers.py --data DIR [--topics 1] [--rounds 3]
    pip install 'sentence-transformers[openvino]' 'transformers<5.6'
    python benchmarks/peers.py --data DIR --backends

pyterrier_dr scores with the bi-encoder all-MiniLM-L6-v2; rerankers has no bi-encoder, so that it is compared as a
cross-encoder, on a network of MiniLM's shape with random weights. Both are used as their documentation shows, with
their own batch sizes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from work import MINILM, Times, Work, dl19, in_rotation, ratio

Scores = dict[str, np.ndarray]
Run = Callable[[], Scores]


def biencoders(work: Work) -> dict[str, Run]:
    import pandas
    from pyterrier_dr import SBertBiEncoder

    from instrerank.encoders import load_encoder
    from instrerank.encoders.similarity import dot_products

    rows = [(q, work.topics[q], d, work.passages[d]) for q, docids in work.candidates.items() for d in docids]
    frame = pandas.DataFrame(rows, columns=["qid", "query", "docno", "text"])
    theirs = SBertBiEncoder(str(MINILM)).text_scorer()
    encoder = load_encoder("minilm", device="cpu", store=None)

    def pyterrier_dr() -> Scores:
        found = theirs(frame).set_index(["qid", "docno"])["score"]
        return {q: found[q].loc[docids].to_numpy() for q, docids in work.candidates.items()}

    def instrerank() -> Scores:
        place = {docid: at for at, docid in enumerate(work.passages)}
        passages = encoder.encode_passages(list(work.passages.values())).vectors
        queries = encoder.encode_queries(list(work.topics.values())).vectors
        return {
            qid: dot_products(passages[[place[docid] for docid in docids]], query)
            for query, (qid, docids) in zip(queries, work.candidates.items(), strict=True)
        }

    return {"pyterrier_dr": pyterrier_dr, "instrerank": instrerank}


def cross_encoders(work: Work, folder: Path) -> dict[str, Run]:
    import transformers
    from rerankers import Reranker

    from instrerank.encoders import load_scorer

    torch.manual_seed(0)
    config = transformers.AutoConfig.from_pretrained(MINILM, num_labels=1)
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(MINILM).save_pretrained(folder)
    theirs = Reranker(str(folder), model_type="cross-encoder", device="cpu", dtype="float32", verbose=0)
    scorer = load_scorer(folder, kind="crossencoder", device="cpu")

    def rerankers() -> Scores:
        found = {}
        for qid, docids in work.candidates.items():
            ranked = theirs.rank(work.topics[qid], [work.passages[docid] for docid in docids], doc_ids=docids)
            scores = {one.document.doc_id: one.score for one in ranked.results}
            found[qid] = np.array([scores[docid] for docid in docids])
        return found

    def instrerank() -> Scores:
        pairs = [(work.topics[q], "", work.passages[d]) for q, docids in work.candidates.items() for d in docids]
        scores = np.split(scorer.score(pairs), np.cumsum([len(one) for one in work.candidates.values()])[:-1])
        return dict(zip(work.candidates, scores, strict=True))

    return {"rerankers, cross-encoder": rerankers, "instrerank, cross-encoder": instrerank}


def backends(work: Work) -> dict[str, Run]:
    """Sentence-transformers by its default, by a pool of processes, and by OpenVINO, which it exports itself."""
    from sentence_transformers import SentenceTransformer

    from instrerank.encoders import load_encoder

    texts = list(work.passages.values())
    default = SentenceTransformer(str(MINILM), device="cpu")
    pool = default.start_multi_process_pool(["cpu"] * torch.get_num_threads())
    openvino = SentenceTransformer(str(MINILM), device="cpu", backend="openvino", model_kwargs={"export": True})
    encoder = load_encoder("minilm", device="cpu", store=None)

    def named(encode: Callable[[], np.ndarray]) -> Run:
        return lambda: {"passages": encode()}

    return {
        "sentence-transformers": named(lambda: default.encode(texts)),
        "its pool of processes": named(lambda: default.encode(texts, pool=pool)),
        "its openvino": named(lambda: openvino.encode(texts)),
        "instrerank": named(lambda: encoder.encode_passages(texts).vectors),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds dl19/")
    parser.add_argument("--topics", type=int, default=1, help="43 is the whole work")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backends", action="store_true", help="compare sentence-transformers' backends instead")
    arguments = parser.parse_args()
    work = dl19(arguments.data, arguments.topics)
    if arguments.backends:
        runs = backends(work)
        scores = {name: run()["passages"] for name, run in runs.items()}  # this warms up too
        times = in_rotation(runs, arguments.rounds)
        for name in runs:
            faster = ratio(times["sentence-transformers"].clock, times[name].clock)
            apart = float(np.abs(scores[name] - scores["sentence-transformers"]).max())
            print(f"{name}: {statistics.median(times[name].clock):.2f} s, {faster:.2f} times; {apart:.1e} apart")
        return
    with tempfile.TemporaryDirectory() as folder:
        for runs in (biencoders(work), cross_encoders(work, Path(folder))):
            scores = {name: run() for name, run in runs.items()}  # this warms up too
            times = in_rotation(runs, arguments.rounds)
            peer, ours = runs
            apart = max(float(np.abs(scores[peer][qid] - scores[ours][qid]).max()) for qid in work.topics)
            for name in runs:
                print(f"{name}: {statistics.median(times[name].clock):.2f} s")
            clock, processor = (ratio(*(getattr(times[name], kind) for name in runs)) for kind in Times._fields)
            print(f"  {clock:.2f} times as fast, {processor:.2f} in processor time; scores at most {apart:.1e} apart")


if __name__ == "__main__":
    main()
