"""What every perturbation obeys, whoever wrote it."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrerank.errors import InputError
from instrerank.perturbations import describe, edited, perturb, query_set, resolve_all
from instrerank.trec.types import Topic

EVERY = resolve_all(["all"])
BY_NAME = pytest.mark.parametrize("perturbation", EVERY, ids=lambda p: p.name)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=80).filter(str.strip)
WORDS = "what is the cost of 12 km Taxi rides, in Oslo? goldfish naïve don't 20000 🍕 مصر what's not"
words = st.lists(
    st.sampled_from(WORDS.split()),
    min_size=1,
    max_size=12,
).map(" ".join)


@BY_NAME
@settings(max_examples=25)
@given(text=texts | words, instruction=st.just("") | texts | words, seed=st.integers(0, 2**40))
def test_qid_is_kept_the_query_never_empty_and_the_log_explains_the_text(perturbation, text, instruction, seed):
    topic = Topic("01", text, instruction)
    other = Topic("02", "how do bees fly", "Name the muscles.")
    done = next(perturb([topic, other], perturbation, seed))
    assert done.original == topic
    assert done.topic.qid == "01"
    assert done.topic.text.strip()
    assert done.topic == edited(topic, done.edits).topic
    assert done.changed == (done.topic != topic) == bool(done.edits)


@BY_NAME
def test_neither_order_nor_batch_of_topics_matters(perturbation, topics):
    forward = {one.topic for one in perturb(topics, perturbation, 3)}
    backward = {one.topic for one in perturb(topics[::-1], perturbation, 3)}
    assert forward == backward


@BY_NAME
def test_a_perturbation_without_seed_gives_one_text_and_one_with_a_seed_gives_several(perturbation, topics):
    topics = [
        *topics,
        Topic(
            "n", "is the benefits page of 20000 doctors in 3 hours 10 km or 12000 feet", "Before 1999, not after 2001."
        ),
    ]
    draws = {query_set(topics, perturbation, seed).topics for seed in range(20)}
    assert (len(draws) > 1) == perturbation.seeded


@BY_NAME
def test_it_changes_the_field_that_it_declares(perturbation, topics):
    for one in perturb(topics, perturbation, 1):
        if perturbation.changes == "text":
            assert one.topic.instruction == one.original.instruction
        elif perturbation.name not in ("instruction-before", "instruction-after"):
            assert one.topic.text == one.original.text
        else:
            assert one.original.text in one.topic.text
            assert not one.topic.instruction


def test_python_hash_seed_changes_nothing():
    script = (
        "from instrerank.perturbations import *\nfrom instrerank.trec.types import Topic\n"
        "topics = [Topic(str(n), f'what is the cost of {n} km taxi rides', f'Only {n} cars.') for n in range(5)]\n"
        "for p in resolve_all(['all']): print(query_set(topics, p, 5).perturbed)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1


def test_golden_draws_so_that_no_release_changes_published_sets():
    # made with this code (Python 3.11); a change here is a change of every published query set
    drawn = query_set([Topic("1", "how do goldfish sleep at night")], resolve_all(["typo-mixed"])[0], 1).topics
    assert [topic.text for topic in drawn] == ["how do goldfish sleep at might"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([], "no topics"),
        ([Topic("1", "a query"), Topic("1", "another")], "duplicate qids: 1"),
        ([Topic("1", " \t")], "empty queries: 1"),
    ],
)
def test_bad_topics_are_refused(bad, said):
    with pytest.raises(InputError, match=said):
        list(perturb(bad, EVERY[0], 1))


def test_families_and_expectations_are_those_of_the_method():
    assert {p.expects for p in describe()} == {"invariance", "directional", "indifference", "ablation"}
    assert all(p.summary for p in describe())
