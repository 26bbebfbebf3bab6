"""An upper bound for stance with frozen passages: does any direction of vectors tell support from contradiction?

python recipes/instrerank_minilm/stance.py --data DATA

SciFact's claims with their cited abstracts, `minilm`'s vectors, ten folds over claims. A direction is fitted on the
other folds: one for all claims (ridge regression of the stance on passage vectors), or one for each claim, bilinear
in claim and passage (kernel ridge). The claim's vector then moves along it, towards its own stance and away from it.
Accuracy is that of the sign of the fitted score; p-MRR x 100 compares the two moves, as `measure.py` does for two
instructions.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy import linalg

from instrerank.collections import open_passages
from instrerank.encoders import load_encoder
from instrerank.evaluation.instructions import p_mrr_by_topic
from instrerank.trec import Run, ScoredDoc

FOLDS = 10
MOVES = (0.1, 0.2, 0.4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with scifact/")
    folder = parser.parse_args().data / "scifact"
    with (folder / "stance.train.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["label"] in ("SUPPORT", "CONTRADICT")]
    docids = sorted({row["doc_id"] for row in rows})
    claims = {row["claim_id"]: row["claim"] for row in rows}
    texts, encoder = open_passages(folder / "corpus.jsonl.gz").lookup(docids), load_encoder("minilm")
    passages = encoder.encode_passages([texts[docid] for docid in docids]).vectors
    queries = encoder.encode_queries(list(claims.values())).vectors
    stance = np.array([1.0 if row["label"] == "SUPPORT" else -1.0 for row in rows])
    of_passage = np.array([docids.index(row["doc_id"]) for row in rows])
    of_claim = np.array([list(claims).index(row["claim_id"]) for row in rows])
    fold = np.random.default_rng(1).integers(0, FOLDS, len(claims))
    print(f"{len(rows)} pairs, {len(claims)} claims, {np.mean(stance > 0):.2f} support")

    own = {row["claim_id"]: sign for row, sign in zip(reversed(rows), reversed(stance), strict=True)}
    cited: dict[str, list[str]] = {}
    for row in rows:
        cited.setdefault(row["claim_id"], []).append(row["doc_id"])

    def p_mrr(directions: np.ndarray, move: float) -> float:
        runs = []
        for side in (1, -1):
            moved = queries + move * side * np.array([own[claim] for claim in claims])[:, None] * directions
            scores = moved @ passages.T
            order = np.argsort(-scores, 1, kind="stable")
            ranked = {
                claim: [ScoredDoc(docids[place], float(scores[at, place])) for place in order[at]]
                for at, claim in enumerate(claims)
            }
            runs.append(Run("", ranked))
        return 100 * float(np.mean(list(p_mrr_by_topic(*runs, cited).values())))

    kernel = (passages[of_passage] @ passages[of_passage].T) * (queries[of_claim] @ queries[of_claim].T)
    for kind in ("one direction", "bilinear"):
        for penalty in (0.1, 1.0, 10.0):
            directions, correct = np.zeros_like(queries), []
            for held_out in range(FOLDS):
                train, test = fold[of_claim] != held_out, fold[of_claim] == held_out
                mean = stance[train].mean()
                if kind == "one direction":
                    known = passages[of_passage[train]]
                    gram = known.T @ known + penalty * np.eye(known.shape[1])
                    direction = linalg.solve(gram, known.T @ (stance[train] - mean))
                    directions[fold == held_out] = direction
                    fitted = passages[of_passage[test]] @ direction
                else:
                    ridge = kernel[np.ix_(train, train)] + penalty * np.eye(train.sum())
                    weights = linalg.solve(ridge, stance[train] - mean)
                    near = queries[fold == held_out] @ queries[of_claim[train]].T
                    directions[fold == held_out] = (near * weights) @ passages[of_passage[train]]
                    fitted = kernel[np.ix_(test, train)] @ weights
                correct += list(np.sign(fitted + mean) == stance[test])
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            moves = ", ".join(f"moved {move}: {p_mrr(directions, move):.1f}" for move in MOVES)
            print(f"{kind}, penalty {penalty}: accuracy {np.mean(correct):.2f}; p-MRR {moves}", flush=True)


if __name__ == "__main__":
    main()
