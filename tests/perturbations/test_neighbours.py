import pytest

from instrerank.errors import InputError
from instrerank.perturbations import neighbours, perturb, resolve
from instrerank.trec.types import Topic

TOPICS = [Topic("1", "Listen to tea"), Topic("2", "silent night"), Topic("3", "who is it")]


@pytest.fixture(autouse=True)
def letters(monkeypatch, encoder):
    monkeypatch.setattr(neighbours, "_loaded", lambda name: encoder)


def test_near_words_within_the_floor(tmp_path):
    # an encoder of letters finds anagrams nearest
    words = tmp_path / "words.txt"
    words.write_text("silent\nlisten\nenlist\nthing\nzzz\n")
    near = resolve(f"synonym-neighbour:encoder=x:floor=0.999:words={words}")
    draws = [[one.topic.text for one in perturb(TOPICS, near, seed)] for seed in range(30)]
    assert {one[0] for one in draws} == {"Silent to tea", "Enlist to tea"}
    assert {one[1] for one in draws} == {"listen night", "enlist night", "silent thing"}
    assert {one[2] for one in draws} == {"who is it"}


def test_words_of_the_topics_are_the_default():
    near = resolve("synonym-neighbour:encoder=x:floor=0.999")
    assert [one.topic.text for one in perturb(TOPICS, near, 1)] == ["Silent to tea", "listen night", "who is it"]
    with pytest.raises(InputError, match="`floor` must be a cosine"):
        list(perturb(TOPICS, resolve("synonym-neighbour:encoder=x:floor=2"), 1))
    with pytest.raises(InputError, match="synonym-neighbour needs an encoder"):
        resolve("synonym-neighbour")
