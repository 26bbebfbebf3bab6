import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from instrerank.errors import InputError
from instrerank.perturbations import perturb, resolve
from instrerank.perturbations.typos import NEIGHBOURS
from instrerank.perturbations.words import eligible, is_eligible
from instrerank.trec.types import Topic

ONE_EDIT = ["typo-swap", "typo-delete", "typo-insert", "typo-substitute", "typo-keyboard", "typo-mixed"]
WORDS = "what is The goldfish naïve aaa ЖИЗНЬ don't DNA a-b rn 42nd e\u0301tude? مصر"
queries = st.lists(
    st.sampled_from(WORDS.split()),
    min_size=1,
    max_size=8,
).map(" ".join)


def perturbed(name: str, text: str, seed: int = 1):
    return next(perturb([Topic("1", text)], resolve(name), seed))


@pytest.mark.parametrize("name", ONE_EDIT)
@settings(max_examples=60)
@given(text=queries, seed=st.integers(0, 10_000))
def test_exactly_one_edit_in_an_eligible_word(name, text, seed):
    one = perturbed(name, text, seed)
    if not one.changed:
        # "aaa" has nothing to swap, and only Latin letters have neighbours on the keyboard
        possible = [text[a:b] for a, b in eligible(text)]
        assert all(name in ("typo-swap", "typo-keyboard") and (w == "aaa" or not w.isascii()) for w in possible)
        return
    assert OSA.distance(text, one.topic.text) == OSA.distance(text.lower(), one.topic.text.lower()) == 1
    [edit] = one.edits
    touched = [text[a:b] for a, b in eligible(text) if a <= edit.position and edit.position + len(edit.before) <= b]
    assert touched
    assert all(is_eligible(word) for word in touched)


def test_each_kind_does_what_it_says():
    swap, delete, insert, substitute, keyboard = (perturbed(name, "Goldfish").topic.text for name in ONE_EDIT[:5])
    assert sorted(swap) == sorted("Goldfish") != list(swap)
    assert len(delete) == 7
    assert len(insert) == 9
    assert len(substitute) == len(keyboard) == 8
    [place] = [n for n in range(8) if keyboard[n] != "Goldfish"[n]]
    assert keyboard[place].lower() in NEIGHBOURS["goldfish"[place]]
    assert keyboard[place].isupper() == (place == 0)


def test_neighbours_touch_on_a_qwerty_keyboard():
    assert set(NEIGHBOURS["g"]) == set("tyfhvb")
    assert set(NEIGHBOURS["q"]) == set("wa")
    assert all(a in NEIGHBOURS[b] for a, near in NEIGHBOURS.items() for b in near)


def test_mixed_draws_the_five_kinds_evenly():
    kinds = [perturbed("typo-mixed", "fermentation of vegetables", seed).edits[0].kind for seed in range(1000)]
    shares = {kind: kinds.count(kind) / 1000 for kind in kinds}
    assert len(shares) == 5
    # 0.2 +- 4 standard deviations of a share of 1000 draws
    assert all(abs(share - 0.2) < 4 * (0.2 * 0.8 / 1000) ** 0.5 for share in shares.values())


@pytest.mark.parametrize("text", ["who is it", "ww1", "42", "🍕", "e\u0301e\u0301e\u0301"])
def test_without_an_eligible_word_the_query_stays(text):
    assert not perturbed("typo-mixed", text).changed


def test_several_edits_are_in_several_words():
    one = perturbed("typo-mixed:edits=3", "history of glass making in venice", 4)
    assert len(one.edits) == 3 == OSA.distance(one.original.text, one.topic.text)
    changed = [a != b for a, b in zip(one.original.text.split(), one.topic.text.split(), strict=True)]
    assert sum(changed) == 3
    assert len(perturbed("typo-mixed:edits=9", "history of glass").edits) == 2
    with pytest.raises(InputError, match="`edits` must be at least 1"):
        perturbed("typo-mixed:edits=0", "history of glass")


def test_other_scripts_get_letters_of_their_own():
    for name in ("typo-insert", "typo-substitute"):
        assert set(perturbed(name, "жизнь").topic.text) <= set("жизнь")
