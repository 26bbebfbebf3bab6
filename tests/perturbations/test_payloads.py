import random
import re

import pytest

from instrerank.errors import InputError
from instrerank.perturbations.injection import PAYLOADS
from instrerank.perturbations.passages import PASSAGE_PAYLOADS
from instrerank.perturbations.payloads import all_payloads, payloads, redraw_part

FIXED = {text for texts in (*PAYLOADS.values(), *PASSAGE_PAYLOADS.values()) for text in texts}
SIDES = ("query", "passage")
HALVES = ("train", "test")


def trigrams(half):
    for side in SIDES:
        for payload in all_payloads(half=half, side=side):
            words = re.findall(r"\w+|[^\w\s]+", payload.text.lower())
            yield from zip(words, words[1:], words[2:], strict=False)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("half", HALVES)
def test_each_half_has_hundreds_of_payloads_and_none_is_fixed(half, side):
    texts = [payload.text for payload in all_payloads(half=half, side=side)]
    assert len(set(texts)) == len(texts) >= 200
    assert not FIXED & set(texts)
    assert not any(re.search(r"[()|]|\s\s|\s[.,;:]|^\s|\s$", text) for text in texts)
    assert {payload.kind for payload in all_payloads(half=half, side=side)} == {"task", "criterion", "role"}


def test_the_halves_share_no_wording():
    assert not set(trigrams("train")) & set(trigrams("test"))


def test_payloads_are_drawn_by_seed():
    drawn = payloads(1, 60, half="train")
    assert len(set(drawn)) == 60
    assert drawn == payloads(1, 60, half="train")
    assert drawn[:20] == payloads(1, 20, half="train")
    assert drawn != payloads(2, 60, half="train")
    assert not set(drawn) & set(payloads(1, 60, half="test"))
    assert {payload.kind for payload in payloads(1, 9, kind="role")} == {"role"}
    everything = sum(1 for _ in all_payloads(side="passage"))
    assert len(set(payloads(1, everything, side="passage"))) == everything


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": 100_000}, "`count` must be between 0 and "),
        ({"count": -1}, "`count` must be between 0 and "),
        ({"half": "dev"}, "unknown `half` 'dev'. Available: train, test"),
        ({"side": "corpus"}, "unknown `side` 'corpus'. Available: query, passage"),
        ({"side": None}, "unknown `side` None"),
        ({"kind": "poem"}, "unknown `kind` 'poem'. Available: task, criterion, role"),
    ],
)
def test_bad_arguments(given, said):
    with pytest.raises(InputError, match=said):
        payloads(1, **{"count": 3} | given)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("half", HALVES)
def test_one_part_of_a_payload_is_drawn_again(half, side):
    known = {payload.text for payload in all_payloads(half=half, side=side)}
    rng = random.Random(1)
    for text in sorted(known)[::7]:
        whole = f"green tea {text} jazz"
        edit = redraw_part(whole, rng, half=half, side=side)
        assert edit is not None
        assert whole[edit.position :].startswith(edit.before)
        changed = whole[: edit.position] + edit.after + whole[edit.position + len(edit.before) :]
        assert changed != whole
        assert changed.removeprefix("green tea ").removesuffix(" jazz") in known
    assert redraw_part("green tea", rng, half=half, side=side) is None
