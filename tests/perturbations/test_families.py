"""What each perturbation does, on queries written for this test."""

import random

import pytest

from instrerank.errors import InputError
from instrerank.perturbations import perturb, resolve
from instrerank.perturbations.morphology import TENSES, other_number
from instrerank.perturbations.surface import HOMOGLYPHS
from instrerank.perturbations.synonyms import REVIEWED
from instrerank.trec.types import Topic


def text(spec: str, query: str, seed: int = 1) -> str:
    return next(perturb([Topic("1", query)], resolve(spec), seed)).topic.text


def texts(spec: str, query: str) -> set[str]:
    return {text(spec, query, seed) for seed in range(60)}


@pytest.mark.parametrize(
    ("spec", "query", "expected"),
    [
        ("stopword-removal", "How do the Goldfish sleep at night?", "goldfish sleep night?"),
        ("stopword-removal", "who is it", "who is it"),
        ("telegraphic", "how do the goldfish sleep at night", "how goldfish sleep at night"),
        ("keywords", "What is the definition of a leaf, and a leaf bud?", "leaf bud"),
        ("keywords", "what is it", "what is it"),
        ("question-to-keywords", "What is a leaf bud?", "leaf bud"),
        ("question-to-keywords", "what does tacit mean", "tacit meaning"),
        ("question-to-keywords", "how many lakes are there in Finland?", "number of lakes Finland"),
        ("question-to-keywords", "why do leaves fall", "why do leaves fall"),
        ("keywords-to-question", "causes of hiccups", "what are the causes of hiccups?"),
        ("keywords-to-question", "tacit definition", "what is the definition of tacit?"),
        ("keywords-to-question", "cost of a tent", "what is the cost of a tent?"),
        ("keywords-to-question", "is glass a liquid", "is glass a liquid"),
        ("keywords-to-question", "northern lights", "what is there to know about northern lights?"),
        (
            "punctuation-removal",
            "what's the U.S. price of 1.5 l, e.g. oat_milk?",
            "whats the U S price of 1.5 l e g oat milk",
        ),
        ("punctuation-removal", "?!", "?!"),
        ("case-upper", "northern lights", "NORTHERN LIGHTS"),
        ("case-lower", "Northern LIGHTS", "northern lights"),
        ("case-title", "northern éclair", "Northern Éclair"),
        ("unicode-full-width", "a 1?", "ａ １？"),
        ("repeated-query", "northern lights", "northern lights northern lights"),
        ("repeated-query:times=3", "tea", "tea tea tea"),
        ("negation", "is glass a liquid", "is not glass a liquid"),
        ("negation", "animals that can not swim", "animals that can swim"),
        ("negation", "northern lights", "not northern lights"),
        ("word-deletion", "tea", "tea"),
        ("word-swap", "tea tea", "tea tea"),
        ("word-shuffle", "tea tea", "tea tea"),
        ("word-swap", "green tea", "tea green"),
    ],
)
def test_deterministic_cases(spec, query, expected):
    assert text(spec, query) == expected


DIFFERENCES = ("Difference between {} and {}", "{} versus {}", "How do {} and {} differ")
CAUSES = ("hiccups causes", "what causes hiccups", "what are the causes of hiccups")


@pytest.mark.parametrize(
    ("spec", "query", "expected"),
    [
        ("number-words", "3 cups or two in 2001", {"three cups or two in 2001", "3 cups or 2 in 2001"}),
        ("number-words", "covid-19 or 1.5 m or 300", {"covid-19 or 1.5 m or 300"}),
        ("number-grouping", "20000 people in 1999", {"20,000 people in 1999"}),
        ("number-grouping", "1,250,000 people", {"1250000 people"}),
        ("unit-names", "5km run", {"5 kilometers run"}),
        ("unit-names", "20 percent of 3 lbs", {"20% of 3 lbs", "20 percent of 3 pounds"}),
        ("unit-names", "km or kilometers", {"km or kilometers"}),
        ("number-change", "7", {str(n) for n in range(10)} - {"7"}),
        ("tense", "how did the colour change", {"how do the colour change", "how did the colour changed"}),
        ("paraphrase-rules", "causes of hiccups?", {f"{x}?" for x in CAUSES}),
        ("paraphrase-rules", "Tea vs milk", {w.format("Tea", "milk") for w in DIFFERENCES}),
        ("paraphrase-rules", "northern lights", {"northern lights"}),
        ("synonym", "Doctors of yore", {"Physicians of yore"}),
        ("plural", "the mice", {"the mouse"}),
        ("unicode-homoglyph", "who is Max", {"who is Мax", "who is Mаx", "who is Maх"}),
        ("word-deletion", "green tea", {"green", "tea"}),
    ],
)  # fmt: skip
def test_all_that_may_come_out(spec, query, expected):
    assert texts(spec, query) == expected


def test_word_deletion_by_share():
    query = " ".join("abcdefghij")
    assert len(text("word-deletion:percent=20", query).split()) == 8
    with pytest.raises(InputError, match="`percent` must be at least 0 and less than 100"):
        text("word-deletion:percent=100", query)


def test_word_order_keeps_words_and_blanks():
    query = "how  do goldfish\tsleep?"
    swapped = text("word-swap", query)
    assert sorted(swapped.split()) == sorted(query.split())
    assert [c for c in swapped if c.isspace()] == [c for c in query if c.isspace()]
    assert text("word-shuffle", query).split() != query.split()


def test_surface_changes_are_small():
    assert all(one.startswith("what is tea") and len(one) > 11 for one in texts("punctuation-append", "what is tea"))
    for one in texts("unicode-zero-width", "green tea"):
        assert len(one) == 10
        assert one.isprintable() is False
    assert all(len(one) == 9 and not one.isascii() for one in texts("unicode-diacritic", "green tea"))
    assert all(not cyrillic.isascii() and latin.isascii() for latin, cyrillic in HOMOGLYPHS.items())


def test_wrappers_and_noise_keep_the_query():
    for spec in ("polite", "verbose", "distractor-clause", "injection-task-front", "injection-criterion-back"):
        found = texts(spec, "green {tea}")
        assert len(found) >= 3
        assert all("green {tea}" in one for one in found)
    assert text("injection-role-front", "tea").endswith(" tea")
    assert text("injection-role-back", "tea").startswith("tea ")


def test_other_query_is_another_topics():
    topics = [Topic("1", "green tea"), Topic("2", "green tea"), Topic("3", "coffee")]
    done = [one.topic.text for one in perturb(topics, resolve("other-query"), 1)]
    assert done[0] == done[1] == "green tea coffee"
    assert done[2] == "coffee green tea"
    assert [one.changed for one in perturb(topics[:2], resolve("other-query"), 1)] == [False, False]


def test_recorded_variants(tmp_path):
    file = tmp_path / "variants.tsv"
    file.write_text("qid\tmethod\ttext\n1\ta:b_c\tthe tea that is green\n2\tother\tx\n")
    assert text(f"recorded:file={file}:method=a-b-c", "green tea") == "the tea that is green"
    assert resolve(f"recorded:file={file}:method=other").name == "recorded-file-variants-method-other"
    assert text(f"recorded:file={file}:method=other", "green tea") == "green tea"
    with pytest.raises(InputError, match="Available: a-b-c, other"):
        text(f"recorded:file={file}", "green tea")
    file.with_name("b.tsv").write_text("1\ttea\n")
    with pytest.raises(InputError, match="expected the header qid<TAB>method<TAB>text"):
        text(f"recorded:file={tmp_path}/b.tsv:method=x", "green tea")
    file.with_name("c.tsv").write_text("qid\ttext\tmethod\n1\ttea\tm\n1\tmilk\tm\n")
    with pytest.raises(InputError, match=":3: duplicate variant of qid 1 by method m"):
        text(f"recorded:file={tmp_path}/c.tsv", "green tea")


def test_tables_hold_no_word_twice_in_a_pair():
    assert all(word not in others for word, others in REVIEWED.items())
    assert all(now != other for now, other in TENSES.items())


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("lake", "lakes"),
        ("berries", "berry"),
        ("boxes", "box"),
        ("children", "child"),
        ("glass", None),
        ("city", "cities"),
    ],
)
def test_plural_rules(word, other):
    assert other_number(word) == other


def test_case_of_the_replaced_word_is_kept():
    rng = random.Random(1)
    assert resolve("synonym").apply(Topic("1", "PRICE"), rng).topic.text == "COST"
