"""The objectives against their definitions, computed candidate by candidate in Python."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from instrerank.errors import InputError
from instrerank.training.objectives import (
    TERMS,
    Drawn,
    Objective,
    Side,
    anchor_losses,
    multivariate,
    self_teaching,
    univariate,
)

SIZES = st.tuples(st.integers(1, 6), st.integers(0, 3), st.integers(1, 3), st.integers(0, 2**20))


def example(size, hard, drawn, seed):
    """Vectors of `size` anchors with a few equal texts among them, hard negatives, and drawn pairs with gaps."""
    random = torch.Generator().manual_seed(seed)

    def vectors(*shape):
        return torch.randn(*shape, 4, generator=random, dtype=torch.float64).requires_grad_()

    texts = torch.randint(0, 4, (size,), generator=random), torch.randint(0, 4, (size + hard,), generator=random)
    queries, passages = (Side(vectors(len(ids)), ids) for ids in texts)
    real = torch.rand(size, drawn, generator=random) < 0.7
    return queries, passages, {term: Drawn(vectors(size, drawn), real) for term in ("I", "Q")}


def by_definition(objective, queries, passages, drawn):
    """Every anchor's loss from Python lists of its negatives, and log(1 + Σ exp(s_c − s_ii))."""
    pairs = list(zip(queries.texts.tolist(), passages.texts.tolist()[: len(queries.texts)], strict=True))

    def score(one, other):
        return one @ other / objective.temperature

    losses = []
    for i, (pair, passage) in enumerate(pairs):
        q, p = queries.vectors[i], passages.vectors[i]
        negatives = {
            "P": [
                score(q, vector)
                for vector, text in zip(passages.vectors, passages.texts.tolist(), strict=True)
                if (pair, text) not in pairs
            ],
            "IQ": [
                score(vector, p)
                for vector, text in zip(queries.vectors, queries.texts.tolist(), strict=True)
                if (text, passage) not in pairs
            ],
        }
        for term, (vectors, real) in drawn.items():
            negatives[term] = [score(vectors[i, k], p) for k in range(real.shape[1]) if real[i, k]]
        sums = [
            sum((torch.exp(s - score(q, p)) for s in negatives[term]), 0 * score(q, p)) for term in objective.terms
        ]
        losses.append(
            torch.log(1 + sum(sums)) if objective.form == "uni" else sum(torch.log(1 + each) for each in sums)
        )
    return torch.stack(losses)


def gradients(loss, queries, passages, drawn):
    inputs = [queries.vectors, passages.vectors, *(each.vectors for each in drawn.values())]
    return torch.autograd.grad(loss.sum(), inputs, allow_unused=True, materialize_grads=True)


@settings(deadline=None, max_examples=60)
@given(SIZES, st.sampled_from(["uni", "multi"]), st.sets(st.sampled_from(TERMS), min_size=1))
def test_value_and_gradient_equal_the_definition(sizes, form, terms):
    queries, passages, drawn = example(*sizes)
    objective = Objective(form, tuple(sorted(terms)), temperature=0.7)
    found = anchor_losses(objective, queries, passages, 0, sizes[0], drawn)
    wanted = by_definition(objective, queries, passages, drawn)
    torch.testing.assert_close(found, wanted, atol=1e-9, rtol=1e-9, check_dtype=False)
    for mine, theirs in zip(
        gradients(found, queries, passages, drawn), gradients(wanted, queries, passages, drawn), strict=True
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=1e-9)


@settings(deadline=None, max_examples=40)
@given(SIZES)
def test_univariate_lies_between_the_largest_term_and_the_sum(sizes):
    queries, passages, drawn = example(*sizes)
    terms = {
        term: anchor_losses(Objective("uni", (term,)), queries, passages, 0, sizes[0], drawn).detach()
        for term in TERMS
    }
    uni = anchor_losses(Objective("uni", TERMS), queries, passages, 0, sizes[0], drawn).detach()
    multi = anchor_losses(Objective("multi", TERMS), queries, passages, 0, sizes[0], drawn).detach()
    torch.testing.assert_close(multi, sum(terms.values()))
    assert (torch.stack(list(terms.values())).amax(0) <= uni + 1e-9).all() and (uni <= multi + 1e-9).all()


def test_one_term_is_plain_infonce():
    scores = torch.tensor([[2.0, 1.0, -3.0]])
    wanted = torch.nn.functional.cross_entropy(scores, torch.tensor([0]))
    for form in (univariate, multivariate):
        assert form(scores[:, 0], [scores[:, 1:]]).item() == pytest.approx(wanted.item())


def test_a_part_of_the_anchors_has_the_losses_of_the_whole():
    queries, passages, drawn = example(5, 2, 2, 7)
    objective = Objective("multi", ("P", "IQ"))
    whole = anchor_losses(objective, queries, passages, 0, 5, drawn)
    torch.testing.assert_close(anchor_losses(objective, queries, passages, 2, 2, drawn), whole[2:4])


def test_an_anchor_without_negatives_costs_nothing_and_has_a_gradient():
    queries, passages, drawn = example(1, 0, 1, 3)
    none = {term: Drawn(each.vectors, torch.zeros_like(each.real)) for term, each in drawn.items()}
    loss = anchor_losses(Objective("uni", TERMS), queries, passages, 0, 1, none)
    assert loss.item() == 0
    assert all(gradient.isfinite().all() for gradient in gradients(loss, queries, passages, none))


def test_self_teaching_is_the_divergence_from_the_clean_scores_and_teaches_one_side():
    clean, typo, passages = (torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    loss = self_teaching(clean, typo, passages, 0.5)
    for i in range(2):
        p, t = ((vectors[i] @ passages.T / 0.5).softmax(0).tolist() for vectors in (clean, typo))
        assert loss[i].item() == pytest.approx(sum(a * (math.log(a) - math.log(b)) for a, b in zip(p, t, strict=True)))
    assert torch.autograd.grad(loss.sum(), clean, allow_unused=True, retain_graph=True)[0] is None
    assert torch.autograd.grad(loss.sum(), typo)[0].abs().sum() > 0
    assert self_teaching(clean, clean, passages, 0.5).detach().abs().max() < 1e-12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"form": "map"}, "unknown `form` 'map'"),
        ({"terms": ("P", "D")}, "expected one or more of P,IQ,I,Q"),
        ({"terms": ()}, "none"),
        ({"terms": ("P", "P")}, "each once"),
        ({"temperature": 0.0}, "above 0"),
        ({"self_teaching": -1.0}, "at least 0"),
    ],
)
def test_wrong_objectives_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Objective(**arguments)
