"""Attacks on an encoder of letters, so that what an attack gains can be seen."""

import numpy as np
import pytest

from instrerank.errors import InputError
from instrerank.perturbations import resolve
from instrerank.perturbations.attack import Attack, Target, least_overlap, rankings
from instrerank.perturbations.passages import attack_passages
from instrerank.perturbations.searching import Budget
from instrerank.trec.types import Topic

PASSAGES = {
    "d1": "green tea leaves",
    "d2": "black tea",
    "d3": "green hills",
    "d4": "coffee beans roasted",
    "d5": "jazz quartet",
    "d6": "milk jug",
}


@pytest.fixture
def target(encoder):
    vectors = encoder.encode_passages(list(PASSAGES.values())).vectors
    return Target(Topic("7", "green tea", "no black leaves"), list(PASSAGES), vectors)


def overlap_with_clean(encoder, target, depth=3):
    clean = encoder.encode_queries([target.topic.text], [target.topic.instruction]).vectors
    return least_overlap({"7": rankings(target, clean)[0]}, depth)


def test_rankings_are_in_trec_eval_order(target):
    flat = Target(target.topic, ["b", "a", "c"], np.ones((3, 26), np.float32))
    assert rankings(flat, np.ones((1, 26), np.float32)) == [["c", "b", "a"]]
    query = target.vectors[[4]]
    assert rankings(target, query)[0][0] == "d5"


def test_average_overlap():
    objective = least_overlap({"7": list("abcdef")}, depth=3)
    # top 1, 2, 3: (0 + 1 + 2/3) / 3 for "bac" is (0 + 1 + 1) / 3
    assert objective("7", [list("abc"), list("bac"), list("xyz"), list("xab")]) == pytest.approx(
        [1, 2 / 3, 0, (0 + 1 / 2 + 2 / 3) / 3]
    )


@pytest.mark.parametrize("strategy", ["greedy", "beam", "worst"])
@pytest.mark.parametrize("edits", [1, 2])
def test_the_attack_keeps_its_budget_and_is_reproducible(encoder, target, strategy, edits):
    objective = overlap_with_clean(encoder, target)
    budget = Budget(edits=edits, candidates=60)
    before = encoder.queries
    found = Attack(encoder, resolve("typo-mixed"), objective, strategy=strategy, budget=budget)(target)
    assert encoder.queries - before - 1 == found.candidates <= 60
    assert 1 <= len(found.perturbed.edits) <= edits
    assert found.worst < found.clean == 1
    [again] = objective(
        "7", rankings(target, encoder.encode_queries([found.perturbed.topic.text], ["no black leaves"])[0])
    )
    assert again == found.worst
    assert found == Attack(encoder, resolve("typo-mixed"), objective, strategy=strategy, budget=budget)(target)


def test_more_edits_and_more_candidates_hurt_more(encoder, target):
    def value(qid, found):
        return [-ranking.index("d1") for ranking in found]

    values = [
        Attack(encoder, resolve("typo-mixed"), value, strategy="worst", budget=Budget(edits, candidates))(target).worst
        for edits, candidates in ((1, 1), (1, 100), (2, 400))
    ]
    assert values[0] >= values[1] >= values[2]
    assert values[0] > values[2]


def test_greedy_spends_its_candidates_on_the_word_that_matters(encoder, target):
    seen = []

    def value(qid, found):
        seen.append(found)
        # without its last word the query is worth nothing
        return [1.0] if len(found) == 1 else [1.0, 0.0] if len(found) == 2 else [0.5 + n for n in range(len(found))]

    found = Attack(encoder, resolve("typo-substitute"), value, budget=Budget(candidates=12))(target)
    assert [len(one) for one in seen] == [1, 2, 10]
    assert found.perturbed.topic.text.startswith("green ")


def test_instructions_are_attacked_alike(encoder, target):
    objective = overlap_with_clean(encoder, target)
    found = Attack(encoder, resolve("typo-mixed:on=instruction"), objective)(target)
    assert found.perturbed.topic.text == "green tea"
    assert found.perturbed.topic.instruction != "no black leaves"


def test_where_nothing_can_be_changed_the_query_stays(encoder, target):
    bare = Target(Topic("7", "who is it"), target.docids, target.vectors)
    found = Attack(encoder, resolve("typo-mixed"), overlap_with_clean(encoder, bare))(bare)
    assert not found.perturbed.changed
    assert found.worst == found.clean == 1


@pytest.mark.parametrize(
    ("perturbation", "options", "said"),
    [
        ("typo-mixed", {"strategy": "magic"}, "Available: greedy, beam, worst"),
        ("other-query", {}, "uses other topics"),
    ],
)
def test_bad_attacks(encoder, perturbation, options, said):
    with pytest.raises(InputError, match=said):
        Attack(encoder, resolve(perturbation), least_overlap({}), **options)


def test_passages_are_injected_and_ranked_again(encoder, target):
    injected = attack_passages([target], {"7": "d5"}, PASSAGES, encoder, "query", "start")
    assert injected.passages["7"].text == "green tea jazz quartet"
    assert injected.attacked["7"].index("d5") < injected.clean["7"].index("d5")
    assert [docid for docid in injected.attacked["7"] if docid != "d5"] == [
        d for d in injected.clean["7"] if d != "d5"
    ]
    with pytest.raises(InputError, match="no passages to inject"):
        attack_passages([target], {}, PASSAGES, encoder)


def test_budgets():
    assert Budget.parse("edits=2,candidates=50") == Budget(2, 50, 5)
    assert eval(repr(Budget(2, 50))) == Budget(2, 50, 5)
    for text in ("edits=0", "edits=two", "tries=3", ""):
        with pytest.raises(InputError, match="`budget`"):
            Budget.parse(text)


def test_an_attack_is_told_by_its_repr(encoder):
    attack = Attack(encoder, resolve("typo-swap"), least_overlap({}), strategy="beam")
    assert repr(attack).startswith("Attack('letters', 'typo-swap', strategy='beam', budget=Budget(edits=1,")
