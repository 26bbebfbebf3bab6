import pytest

from instrerank.perturbations import perturb, resolve
from instrerank.perturbations.injection import MARKER, PAYLOADS
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
