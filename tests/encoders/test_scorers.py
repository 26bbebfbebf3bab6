"""Every kind of model scores in the same way: prepared once, it scores any of the queries over any of the passages."""

import numpy as np
import pytest
from tiny import PASSAGES, QUERIES

from instrerank.encoders import load_scorer

ASKED = [(query, instruction) for query in QUERIES for instruction in ("", "no boats")]
KINDS = {
    "biencoder": ("AutoModel", {"pooling": "mean", "store": None}),
    "cascade": ("AutoModel", {"pooling": "mean", "store": None, "dtype": "cascade", "cascade_depth": 3}),
    "crossencoder": ("AutoModelForSequenceClassification", {"kind": "crossencoder"}),
    "pointwise-llm": ("AutoModelForCausalLM", {"kind": "pointwise-llm", "prompt": "{q} {d}"}),
}


@pytest.fixture(params=KINDS)
def scorer(request, models):
    auto_class, options = KINDS[request.param]
    network = "mistral" if request.param == "pointwise-llm" else "bert"
    return load_scorer(models(network, f"scorer-{network}", auto_class=auto_class), **options)


def test_what_was_prepared_together_scores_as_if_alone(scorer):
    prepared = scorer.prepare(ASKED, PASSAGES)
    candidates = [[0, 3, 5], [5, 11, 1, 2], []]
    scored = scorer.score(prepared, [6, 1, 2], candidates)
    assert [len(each) for each in scored.scores] == [3, 4, 0]
    assert all(each.dtype == np.float32 for each in scored.scores)
    assert (len(scored.queries_truncated), len(scored.passages_truncated)) == (3, len(PASSAGES))
    for query, rows, scores in zip([6, 1], candidates, scored.scores, strict=False):
        alone = scorer.prepare([ASKED[query]], [PASSAGES[row] for row in rows])
        expected = scorer.score(alone, [0], [range(len(rows))]).scores[0]
        np.testing.assert_allclose(scores, expected, atol=0.03 if scorer.best_only else 1e-4)
    assert scorer.score(prepared, [], []).scores == []


def test_truncation_is_counted_by_call(scorer):
    prepared = scorer.prepare(ASKED[:1], PASSAGES)
    for rows, number in (([10, 0, 10], 1), ([0, 1], 0)):
        scored = scorer.score(prepared, [0], [rows])
        if scorer.kind == "biencoder":
            assert scored.passages_truncated.tolist() == [row == 10 for row in range(len(PASSAGES))]
            assert scored.pairs_truncated == 0
        else:
            assert (scored.pairs_truncated, scored.passages_truncated.any()) == (number, False)


def test_its_record_and_its_repr_name_it(scorer):
    described = scorer.describe()
    assert {"name", "fingerprint", "dtype", "device"} <= described.keys() and "revision" not in described
    assert described["name"] == scorer.name in repr(scorer)
    last = {"biencoder": ["profile"], "crossencoder": ["max_length"], "pointwise-llm": ["max_length", "prompt"]}
    own = ["cascade", "profile"] if scorer.best_only else last[scorer.kind]
    assert list(described)[4:] == own
