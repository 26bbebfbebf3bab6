import pytest

from instrerank.errors import InputError
from instrerank.perturbations import perturb, resolve
from instrerank.perturbations.instructions import GENERIC, WRAPPERS
from instrerank.trec.types import Topic

TOPIC = Topic("1", "green tea", "Passages must name 2 sources. Nothing before noon.")


def instruction(spec: str, topic: Topic = TOPIC, seed: int = 1) -> str:
    return next(perturb([topic], resolve(spec), seed)).topic.instruction


def test_joined_to_the_query():
    before = next(perturb([TOPIC], resolve("instruction-before"), 1)).topic
    after = next(perturb([TOPIC], resolve("instruction-after"), 1)).topic
    assert before == Topic("1", f"{TOPIC.instruction} green tea")
    assert after == Topic("1", f"green tea {TOPIC.instruction}")


def test_ablations_and_controls_of_length():
    assert instruction("instruction-none") == ""
    assert instruction("instruction-short") == "Passages must name 2 sources."
    assert instruction("instruction-keywords") == "passages 2 sources nothing noon"
    assert instruction("instruction-repeated-query") == "green tea green tea green tea green tea"
    long = instruction("instruction-long:tokens=100")
    assert long.startswith(TOPIC.instruction)
    assert 100 <= len(long.split()) < 115


def test_wordings():
    assert len(WRAPPERS) == 5
    assert len(GENERIC) == 10
    assert {instruction("instruction-paraphrase", seed=n) for n in range(60)} == {
        wrapper.format(i=TOPIC.instruction) for wrapper in WRAPPERS
    }
    assert {instruction("instruction-generic", seed=n) for n in range(150)} == set(GENERIC)


def test_poison_is_one_small_edit():
    found = {instruction("instruction-poisoned", seed=n) for n in range(80)}
    assert "Passages must name 2 sources. Nothing after noon." in found
    assert len(found) == 10  # nine other numbers besides
    plain = TOPIC._replace(instruction="It should be short and dry.")
    assert instruction("instruction-poisoned", plain) == "It should be long and dry."
    assert instruction("instruction-poisoned", plain._replace(instruction="It is dry.")) == "It is not dry."


def test_swapped_is_a_derangement_that_order_does_not_change():
    topics = [Topic(str(n), "q", f"instruction {n}") for n in range(7)]
    swapped = {one.topic.qid: one.topic.instruction for one in perturb(topics, resolve("instruction-swapped"), 5)}
    assert sorted(swapped.values()) == sorted(topic.instruction for topic in topics)
    assert all(swapped[topic.qid] != topic.instruction for topic in topics)
    backwards = perturb(topics[::-1], resolve("instruction-swapped"), 5)
    assert swapped == {one.topic.qid: one.topic.instruction for one in backwards}


@pytest.mark.parametrize("instructions", ["aab", "baa", "aba", "aabb", "abab", "abba"])
def test_swapped_never_gives_the_same_text(instructions):
    topics = [Topic(str(n), "q", text) for n, text in enumerate(instructions)]
    for seed in range(20):
        for one in perturb(topics, resolve("instruction-swapped"), seed):
            assert one.topic.instruction != one.original.instruction
            assert one.topic.instruction in instructions


def test_swapped_leaves_what_cannot_be_swapped():
    topics = [Topic("1", "q", "same"), Topic("2", "q", "same"), Topic("3", "q")]
    assert not any(one.changed for one in perturb(topics, resolve("instruction-swapped"), 1))


def test_topics_without_instruction():
    bare = Topic("1", "green tea")
    assert instruction("instruction-paraphrase", bare) == ""
    assert instruction("instruction-long", bare) == ""
    assert instruction("instruction-generic", bare) in GENERIC
    assert instruction("instruction-generic:fill=present", bare) == ""
    with pytest.raises(InputError, match="`fill` must be all"):
        instruction("instruction-generic:`fill` must be all", bare)
