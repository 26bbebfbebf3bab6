"""Passages promoted past an encoder of letters."""

import random
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from instrerank.errors import InputError
from instrerank.perturbations import resolve
from instrerank.perturbations.attack import Target, rankings
from instrerank.perturbations.promotion import Aim, Outsider, Promotion, bar_of
from instrerank.perturbations.searching import Budget, Search
from instrerank.perturbations.word_edits import WORD_EDITS, distinct_words, word_edits
from instrerank.trec.types import Topic

PASSAGES = {
    "d1": "green tea leaves",
    "d2": "black tea and green hills",
    "d3": "jazz quartet plays swing",
    "d4": "coffee beans roasted twice",
}


def outsider(encoder, docid="d3", query="green tea", top=1):
    target = Target(Topic("7", query), list(PASSAGES), encoder.encode_passages(list(PASSAGES.values())).vectors)
    vector = encoder.encode_queries([query]).vectors
    [ranking] = rankings(target, vector)
    return Outsider("7", docid, PASSAGES[docid], vector, bar_of(target, vector, ranking, top))


def promoted(encoder, outsiders, *, perturbation=None, universal=False, floor=-1, **search):
    perturbation = perturbation or word_edits("word-insertion", [["green", "tea"]])
    [(_, found)] = Promotion(encoder, floor=floor)(
        [Search(perturbation, goal=0, **search)], [Aim(outsiders, universal=universal)]
    )
    return found


@pytest.mark.parametrize("strategy", ["greedy", "beam", "worst"])
def test_a_passage_enters_the_top_k_within_the_budget(encoder, strategy, monkeypatch):
    one = outsider(encoder, top=2)
    texts = []
    encode = encoder.encode_passages
    monkeypatch.setattr(encoder, "encode_passages", lambda some: texts.extend(some) or encode(some))
    found = promoted(encoder, [one], strategy=strategy, budget=Budget(4, 80))
    assert found.clean > 0 == found.worst
    assert 1 <= len(found.perturbed.edits) <= 4
    # the clean passage, and no more than the budget
    assert len(texts) - 1 == found.candidates <= 80
    [score] = encode([found.perturbed.topic.text]).vectors @ one.query[0]
    assert score > one.bar
    assert "jazz" in found.perturbed.topic.text


def test_the_search_stops_where_it_succeeds(encoder):
    one, budget = outsider(encoder, top=2), Budget(6, 90)
    found = promoted(encoder, [one], strategy="beam", budget=budget)
    assert found.worst == 0
    out_of_reach = promoted(encoder, [replace(one, bar=2.0)], strategy="beam", budget=budget)
    assert found.candidates < out_of_reach.candidates
    assert len(found.perturbed.edits) < len(out_of_reach.perturbed.edits) == 6


def test_meaning_is_kept_by_a_floor(encoder):
    one = outsider(encoder)
    clean = encoder.encode_passages([one.text]).vectors[0]
    free = promoted(encoder, [one], strategy="beam", budget=Budget(4, 80))
    bound = promoted(encoder, [one], strategy="beam", budget=Budget(4, 80), floor=0.95)
    assert free.rejected == 0 < bound.rejected
    assert bound.worst > free.worst
    for found, least in ((free, 0.0), (bound, 0.95)):
        [vector] = encoder.encode_passages([found.perturbed.topic.text]).vectors
        assert vector @ clean >= least
    nothing = promoted(encoder, [one], strategy="beam", budget=Budget(4, 80), floor=0.9999)
    assert not nothing.perturbed.changed


def test_another_encoder_may_judge_the_meaning(encoder):
    class Blind(type(encoder)):
        store = None

        def encode_passages(self, texts, *, progress=False):
            return SimpleNamespace(vectors=np.eye(26, dtype=np.float32)[[text.count(" ") % 26 for text in texts]])

    one = outsider(encoder)
    [(_, found)] = Promotion(encoder, judge=Blind())(
        [Search(word_edits("word-insertion", [["green"]]), budget=Budget(1, 20))], [Aim([one])]
    )
    assert not found.perturbed.changed
    assert found.rejected > 0


def test_one_trigger_for_all_passages(encoder):
    outsiders = [outsider(encoder, "d3"), outsider(encoder, "d4", "black tea")]
    found = promoted(encoder, outsiders, universal=True, strategy="beam", budget=Budget(3, 60))
    assert found.worst < found.clean
    assert set(found.perturbed.topic.text.split()) <= {"green", "tea"}
    texts = Aim(outsiders, universal=True).texts(found.perturbed.topic)
    assert texts == [f"{found.perturbed.topic.text} {each.text}" for each in outsiders]
    assert Aim(outsiders, universal=True).texts(Topic("", "")) == [each.text for each in outsiders]


def test_payloads_are_adapted_to_the_encoder(encoder):
    one = outsider(encoder)
    payload = resolve("injection-payload:half=test:side=passage")
    found = promoted(encoder, [one], perturbation=payload, strategy="beam", budget=Budget(4, 200))
    first = promoted(encoder, [one], perturbation=payload, strategy="worst", budget=Budget(1, 1))
    assert found.worst < first.worst
    assert found.perturbed.topic.text.count(one.text) == 1


def test_last_bits_do_not_matter_nor_do_neighbours(encoder, monkeypatch):
    outsiders = [outsider(encoder, docid, query) for docid in ("d3", "d4") for query in ("green tea", "black tea")]
    search = Search(word_edits("word-mixed", [["green", "black", "tea"]]), "greedy", Budget(3, 60), goal=0)

    def found(some):
        return [
            dict(Promotion(encoder)([search] * len(some), [Aim([each]) for each in some]))[n] for n in range(len(some))
        ]

    together = found(outsiders)
    assert together == [found([each])[0] for each in outsiders]
    encode = encoder.encode_passages

    def noisy(texts):
        encoded = encode(texts)
        return encoded._replace(vectors=encoded.vectors * np.float32(1 + 1e-7 * (len(texts) % 3)))

    monkeypatch.setattr(encoder, "encode_passages", noisy)
    assert found(outsiders) == together


def test_the_passages_of_a_search_are_not_stored(encoder):
    encoder.store = "a store"
    assert Promotion(encoder).encoder.store is None
    assert encoder.store == "a store"


def test_a_floor_must_be_a_cosine(encoder):
    with pytest.raises(InputError, match="`floor` must be a cosine"):
        Promotion(encoder, floor=1)


@pytest.mark.parametrize("name", WORD_EDITS)
def test_word_edits_change_one_word(name):
    edit = word_edits(name, [[], ["oolong"]])
    for seed in range(30):
        done = edit.apply(Topic("1", "Quickest Green tea, usually from the hills"), random.Random(seed))
        [change] = done.edits
        assert change.applied_to(done.original) == done.topic
        assert "oolong" in done.topic.text.lower() or change.kind == "synonym"
    empty = edit.apply(Topic("1", ""), random.Random(3)).topic.text
    assert empty in ("", "oolong")


def test_words_to_insert():
    assert distinct_words(["How is the Green tea", "green hills"]) == ["green", "tea", "hills"]
