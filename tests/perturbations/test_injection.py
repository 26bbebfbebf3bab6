import random

import pytest

from instrerank.errors import InputError
from instrerank.perturbations import perturb, resolve
from instrerank.perturbations.injection import MARKER, PAYLOADS
from instrerank.perturbations.payloads import all_payloads
from instrerank.trec.types import Topic


@pytest.mark.parametrize("kind", PAYLOADS)
def test_payloads_stand_before_or_after_the_query(kind):
    for place, form in (("front", "{p} green tea"), ("back", "green tea {p}")):
        drawn = {
            next(perturb([Topic("1", "green tea")], resolve(f"injection-{kind}-{place}"), seed)).topic.text
            for seed in range(40)
        }
        assert drawn == {form.format(p=payload) for payload in PAYLOADS[kind]}


def test_into_the_instruction():
    topic = Topic("1", "green tea", "Only oolong.")
    done = next(perturb([topic], resolve("injection-criterion-back:on=instruction"), 1)).topic
    assert done.text == "green tea"
    assert done.instruction.startswith("Only oolong. ")
    assert MARKER in done.instruction


def test_payloads_of_the_grammar_and_their_parts():
    test, train = ({payload.text for payload in all_payloads(half=half)} for half in ("test", "train"))
    change = resolve("injection-payload:half=test").apply
    places = set()
    for seed in range(40):
        rng = random.Random(seed)
        first = change(Topic("1", "green tea"), rng).topic
        second = change(first, rng).topic
        for topic in (first, second):
            places.add(topic.text.startswith("green tea "))
            assert topic.text.replace("green tea", "").strip() in test - train
        assert second != first
    assert places == {True, False}
    assert change(Topic("1", ""), random.Random(1)).topic.text in test
    assert resolve("injection-payload:place=back").apply(Topic("1", "tea"), rng).topic.text.startswith("tea ")


@pytest.mark.parametrize(
    ("options", "said"),
    [("half=dev", "unknown `half` 'dev'"), ("place=middle", "must be front or back, got 'middle'")],
)
def test_bad_options_of_a_payload(options, said):
    with pytest.raises(InputError, match=said):
        next(perturb([Topic("1", "tea")], resolve(f"injection-payload:{options}"), 1))
