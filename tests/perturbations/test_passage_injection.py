import random

import pytest

from instrerank.errors import InputError
from instrerank.perturbations.injection import MARKER
from instrerank.perturbations.passages import attack_success, choose_victims, inject_into_passage
from instrerank.trec.types import Passage, Topic

TOPIC = Topic("1", "what is green tea")
PASSAGE = Passage("d7", "One two\nthree four.")


@pytest.mark.parametrize(
    ("what", "place", "expected"),
    [
        ("query", "start", "what is green tea One two\nthree four."),
        ("query", "middle", "One two what is green tea three four."),
        ("query", "end", "One two\nthree four. what is green tea"),
        ("keywords", "end", "One two\nthree four. green tea green tea green tea"),
    ],
)
def test_places(what, place, expected):
    assert inject_into_passage(PASSAGE, TOPIC, what, place, random.Random(1)) == Passage("d7", expected)


def test_random_places_and_payloads():
    found = {inject_into_passage(PASSAGE, TOPIC, "query", "random", random.Random(n)).text for n in range(50)}
    assert len(found) == 5
    assert MARKER in inject_into_passage(PASSAGE, TOPIC, "criterion", "start", random.Random(1)).text
    assert "what is" not in inject_into_passage(PASSAGE, TOPIC, "role", "start", random.Random(1)).text
    with pytest.raises(InputError, match="Available: query, keywords, task, criterion, role at start, middle, end"):
        inject_into_passage(PASSAGE, TOPIC, "poem", "start", random.Random(1))  # type: ignore[arg-type]


def test_victims_are_judged_not_relevant():
    candidates = {"1": ["a", "b", "c"], "2": ["a"], "3": ["x"]}
    qrels = {"1": {"a": 1, "b": 0}, "2": {"a": 2}}
    assert choose_victims(candidates, qrels, 1) == {"1": "b"}


def test_attack_success_rate():
    clean = {"1": list("abcdv"), "2": list("avbcd"), "3": list("vabcd"), "4": list("abcdv")}
    attacked = {"1": list("avbcd"), "2": list("avbcd"), "3": list("avbcd"), "4": list("abcvd")}
    relevant = {("1", "c"), ("2", "a"), ("4", "a")}
    victims = dict.fromkeys("1234", "v")
    success = attack_success(clean, attacked, victims, lambda qid, docid: (qid, docid) in relevant, k=3)
    # query 1 rises over the relevant c and into the top 3, 2 stays, 3 falls, 4 rises outside the top 3
    assert success == (4, 0.5, 0.25, 0.25)
    with pytest.raises(InputError, match="grade 0"):
        attack_success(clean, attacked, {}, lambda qid, docid: False)
