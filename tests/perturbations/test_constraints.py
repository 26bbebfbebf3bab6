import pytest

from instrerank.errors import InputError
from instrerank.perturbations.constraints import KINDS, ORIGINAL, Rule, constrain, constrained_qrels, verify
from instrerank.trec.types import Topic

TEXTS = {
    "a": "Tea was brought to Porto in 1650, some say. Would you try it?",
    "b": "Tea grows on hills (mostly terraced), such as those of Nilgiri, and needs rain.",
    "c": "We sell tea at $4 a tin, 20% off; the word “oolong” means black dragon.",
    "d": "A cup of tea.",
    "e": "Coffee is no tea, but it has been drunk since 1450.",
}
TOPICS = [Topic("7", "where does tea come from"), Topic("8", "coffee", "Name the year."), Topic("9", "cocoa")]
QRELS = {"7": {"a": 3, "b": 2, "c": 1, "d": 2, "gone": 3, "e": 0}, "8": {"e": 1}}


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        (Rule("mentions", True, term="tea"), "abcde"),
        (Rule("mentions", True, term="ROOT"), ""),
        (Rule("mentions", False, term="hill"), "abcde"),
        (Rule("mentions", False, term="hills"), "acde"),
        (Rule("number", True), "ace"),
        (Rule("year", True), "ae"),
        (Rule("percentage", True), "c"),
        (Rule("money", False), "abde"),
        (Rule("question", True), "a"),
        (Rule("brackets", True), "b"),
        (Rule("quotation", True), "c"),
        (Rule("address", True), "a"),
        (Rule("first person", True), "c"),
        (Rule("example", True), "b"),
        (Rule("longer", True, words=13), "bc"),
        (Rule("longer", False, words=13), "ade"),
    ],
)
def test_rules(rule, allowed):
    assert "".join(docid for docid, text in TEXTS.items() if rule.allows(text)) == allowed


@pytest.mark.parametrize("kind", KINDS)
def test_phrasings_say_the_rule(kind):
    for wanted in (True, False):
        phrasings = Rule(kind, wanted, term="oolong", words=60).phrasings
        assert len(set(phrasings)) == 4
        assert all("{" not in phrasing for phrasing in phrasings)
        assert all(("oolong" in p) == (kind == "mentions") and ("60" in p) == (kind == "longer") for p in phrasings)


@pytest.mark.parametrize("seed", range(30))
def test_splits_and_changed_labels(seed):
    constraints, without = constrain(TOPICS, QRELS, TEXTS, seed)
    [one] = constraints
    assert without == {
        "8": "1 relevant passages with text, but a split needs at least 2",
        "9": "0 relevant passages with text, but a split needs at least 2",
    }
    assert one.qid == "7"
    assert set(one.kept) | set(one.dropped) == set("abcd")
    assert min(len(one.kept), len(one.dropped)) == 2  # 0.3 of four
    assert one.original in ORIGINAL
    position = [f"{one.original} {phrasing}" for phrasing in one.rule.phrasings].index(one.changed)
    assert one.reversed == f"{one.original} {one.rule.opposite.phrasings[position]}"
    qrels = constrained_qrels(constraints, QRELS, TEXTS)
    original = qrels["original"]["7"]
    assert original == {"a": 3, "b": 2, "c": 1, "d": 2, "e": 0}
    assert qrels["changed"]["7"] == {d: 0 if d in one.dropped else g for d, g in original.items()}
    assert qrels["reversed"]["7"] == {d: 0 if d in one.kept else g for d, g in original.items()}
    assert verify([one.record()], qrels, TEXTS) == []


def test_level_sets_what_is_relevant_but_lower_grades_obey_the_rule_too():
    for seed in range(30):
        [one], _ = constrain(TOPICS[:1], QRELS, TEXTS, seed, relevance_level=2)
        assert set(one.kept) | set(one.dropped) == set("abd")
        qrels = constrained_qrels([one], QRELS, TEXTS)
        labels = [qrels[name]["7"]["c"] for name in ("changed", "reversed")]
        assert labels == ([1, 0] if one.rule.allows(TEXTS["c"]) else [0, 1])


def test_own_instructions_are_kept_and_seeds_draw_rules():
    topic = TOPICS[0]._replace(instruction="Name the hills.")
    drawn = {constrain([topic], QRELS, TEXTS, seed, least_share=0.25)[0][0] for seed in range(30)}
    assert {one.original for one in drawn} == {"Name the hills."}
    assert len({one.rule.kind for one in drawn}) > 1


def test_verify_finds_wrong_labels():
    constraints, _ = constrain(TOPICS, QRELS, TEXTS)
    record = constraints[0].record()
    qrels = constrained_qrels(constraints, QRELS, TEXTS)
    qrels["changed"]["7"][record["dropped"][0]] = 3
    qrels["reversed"]["7"][record["dropped"][0]] = 0
    record["kept"].append(record["dropped"][1])
    problems = verify([record], qrels, TEXTS)
    assert len(problems) == 3
    del qrels["changed"]["7"]["e"]
    assert "contain different passages" in verify([record], qrels, TEXTS)[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"least_share": 0.6}, "`least_share` must be above 0 and at most 0.5, got 0.6"),
        ({"least_share": 0}, "`least_share` must be above 0"),
        ({"relevance_level": 0}, "`relevance_level` must be at least 1, got 0"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(InputError, match=said):
        constrain(TOPICS, QRELS, TEXTS, **options)


@pytest.mark.parametrize(
    ("instruction", "sentence"),
    [
        ("Name  the\nhills.", "Name the hills."),
        ("name the hills", "name the hills."),
        ('Name the "hills."', 'Name the "hills."'),
        ("Name the hills (all)", "Name the hills (all)."),
    ],
)
def test_a_rule_follows_a_whole_sentence(instruction, sentence):
    [one], _ = constrain([TOPICS[0]._replace(instruction=instruction)], QRELS, TEXTS)
    assert one.original == sentence
    assert all(text.startswith(f"{sentence} ") for text in (one.changed, one.reversed))


@pytest.mark.parametrize("kind", KINDS)
def test_the_opposite_rule_allows_exactly_the_other_passages_and_has_a_phrasing_for_each(kind):
    rule = Rule(kind, True, term="tea", words=10)
    assert all(rule.allows(text) != rule.opposite.allows(text) for text in TEXTS.values())
    assert rule.opposite.opposite == rule
    assert not set(rule.phrasings) & set(rule.opposite.phrasings)


def test_phrasings_are_grammatical():
    every = [
        phrasing
        for kind in KINDS
        for wanted in (True, False)
        for phrasing in Rule(kind, wanted, term="tea", words=60).phrasings
    ]
    assert all(phrasing[0].isupper() and phrasing.endswith(".") and " would " not in phrasing for phrasing in every)
    # after "every passage that" the verb takes an s, after "passages that" and "must" it does not
    singular = [p.split("every passage that ")[1].split()[0] for p in every if "every passage that " in p]
    assert all(verb.endswith("s") for verb in singular)
    plural = [p.split("passages that ")[1].split()[0] for p in every if "passages that " in p]
    assert not any(verb.endswith("s") for verb in plural)
