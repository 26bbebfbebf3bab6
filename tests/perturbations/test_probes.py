"""Probes: pairs of passages with and without a shortcut, made by program."""

import random

import pytest

from instrerank.errors import InputError
from instrerank.perturbations import resolve
from instrerank.perturbations.probes import (
    PROBES,
    draw_passages,
    probe_passages,
    relevant_passages,
    resolve_probes,
)
from instrerank.perturbations.sentences import answer_sentence, sentences
from instrerank.perturbations.wrong_facts import wrong_fact
from instrerank.trec.types import Topic

TEA = Topic("1", "minutes to steep green tea")
PASSAGE = "Tea has a long history. Green tea is steeped for 3 minutes in 1990 style. It came to Japan with Eisai."
OTHER = Topic("2", "who built the lighthouse")
OTHER_PASSAGE = "It is said that a lighthouse was built by old Sostratos near the harbour."
TEXTS = {"d1": PASSAGE, "d2": OTHER_PASSAGE}
RELEVANT = {"1": ["d1"], "2": ["d2"]}


def pairs(*names, topics=(TEA, OTHER), relevant=RELEVANT, texts=TEXTS, seed=1):
    return probe_passages(topics, relevant, texts, resolve_probes(names), seed)


def of_tea(name, **more):
    return next(pair for pair in pairs(name, **more).pairs if pair.qid == "1")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Dr. Gray met J. Smith vs. Capt. Cook. He left.", ["Dr. Gray met J. Smith vs. Capt. Cook.", "He left."]),
        ("It grew 3.5 cm. 20 days later it died.", ["It grew 3.5 cm.", "20 days later it died."]),
        ("绿茶很好喝。红茶也是！", ["绿茶很好喝。", "红茶也是！"]),
        ("no punctuation at all", ["no punctuation at all"]),
        ("", []),
    ],
)
def test_sentences(text, found):
    assert sentences(text) == found


def test_the_sentence_with_the_answer_shares_most_words_and_is_not_a_question():
    assert answer_sentence(["Minutes to steep green tea?", "Steep it for minutes."], TEA.text) == 1
    assert answer_sentence(["Minutes to steep green tea?", "Nothing."], TEA.text) == 0
    assert answer_sentence(["Many kinds exist.", "Green teas differ."], TEA.text) == 1
    assert answer_sentence(["Nothing here."], TEA.text) is None


def test_each_probe_makes_what_it_says():
    answer = "Green tea is steeped for 3 minutes in 1990 style."
    brevity = of_tea("probe-brevity")
    assert (brevity.plain, brevity.shortcut) == (PASSAGE, answer)
    position = of_tea("probe-position")
    assert position.shortcut == f"{answer} Tea has a long history. It came to Japan with Eisai."
    assert position.plain == f"Tea has a long history. It came to Japan with Eisai. {answer}"
    assert of_tea("probe-repetition").shortcut == f"{PASSAGE} {answer} {answer}"
    foil, wrong = of_tea("probe-foil"), of_tea("probe-wrong-fact")
    assert (foil.plain, foil.note) == (PASSAGE, "number")
    assert foil.shortcut.startswith(f"{TEA.text} Green tea is steeped for ")
    assert "3 minutes" not in foil.shortcut and "1990" not in wrong.shortcut
    assert wrong.shortcut.startswith("Tea has a long history. Green tea is steeped for ")
    assert {name: probe.expects for name, probe in PROBES.items() if probe.expects != "invariance"} == {
        "probe-wrong-fact": "directional", "probe-foil": "directional",
    }  # fmt: skip


def test_overlap_replaces_words_of_the_query_where_that_reads_as_before():
    texts = {"d1": "The cost of green cups is high. Green cup handles differ, and so does a cup."}
    one = of_tea(
        "probe-overlap", texts=texts, topics=[TEA._replace(text="price of green cups")], relevant={"1": ["d1"]}
    )
    # "green" and the first "cup" stand before a noun
    assert one.plain == "The cost of green cup is high. Green cup handles differ, and so does a cups."
    assert one.shortcut == texts["d1"]
    assert one.note == "cups → cup, cup → cups"
    by_synonym = of_tea(
        "probe-overlap", texts={"d1": "Its price is high."}, topics=[TEA._replace(text="price of green tea")],
        relevant={"1": ["d1"]},
    )  # fmt: skip
    assert by_synonym.plain == "Its cost is high."


@pytest.mark.parametrize(
    ("sentence", "query", "kind", "expected"),
    [
        ("It was built in 1890.", "when was it built", "number", r"It was built in 189[1-9]\."),
        ("Gray sailed in 1792.", "who sailed in 1792", "opposite|negation|None", ".*"),
        ("It was built by Ada Stone.", "who built it", "name", r"It was built by Bo Rivers\."),
        ("Coffee before noon is best.", "coffee", "opposite", r"Coffee (after noon is best|before noon is worst)\."),
        ("Tea is good.", "tea", "negation", r"Tea is not good\."),
        ("Tea is not good.", "tea", "negation", r"Tea is good\."),
        ("Tea tastes well.", "tea", "None", ""),
    ],
)
def test_wrong_facts(sentence, query, kind, expected):
    import re

    wrong = wrong_fact(f"Start. {sentence} End.", sentence, query, ["Bo Rivers", "Kim"], random.Random(1))
    assert re.fullmatch(kind, str(wrong and wrong.kind))
    if wrong:
        assert re.fullmatch(expected, wrong.sentence)
        assert wrong.text == f"Start. {wrong.sentence} End."


def test_a_changed_number_is_changed_wherever_it_is():
    wrong = wrong_fact("Steep 3 minutes. Yes, 3. Not 30.", "Steep 3 minutes.", "tea", [], random.Random(1))
    number = wrong.sentence.split()[1]
    assert wrong.text == f"Steep {number} minutes. Yes, {number}. Not 30." and number != "3"


def test_the_same_seed_gives_the_same_pairs_in_any_order_and_company():
    every = pairs("all", seed=3)
    assert every == pairs("all", seed=3)
    assert set(pairs("probe-foil", topics=(OTHER, TEA), seed=3).pairs) == {
        pair for pair in every.pairs if pair.probe == "probe-foil"
    }
    assert len({of_tea("probe-wrong-fact", seed=seed).shortcut for seed in range(8)}) > 2
    docids = [docid for pair in [*every.pairs, *pairs("all", seed=4).pairs] for docid in pair.docids]
    assert len(set(docids)) == len(docids)


def test_what_no_pair_can_be_made_of_is_counted_with_its_reason():
    texts = {
        "empty": " \n ",
        "short": "Green tea.",
        "chinese": "绿茶很好喝。",
        "elsewhere": "Trains run here. They are fast.",
        "twice": "Green tea. Green tea.",
    }
    made = pairs("all", topics=[TEA], relevant={"1": list(texts)}, texts=texts)
    skipped = {key: count for key, count in made.skipped.items() if key[0] in ("probe-position", "probe-foil")}
    assert skipped == {
        ("probe-position", "without text"): 1,
        ("probe-position", "a single sentence"): 1,
        ("probe-position", "no sentence has a word of the query"): 2,
        ("probe-position", "both passages are the same"): 1,
        ("probe-foil", "without text"): 1,
        ("probe-foil", "no sentence has a word of the query"): 2,
        ("probe-foil", "no fact to change in the sentence with the answer"): 2,
    }
    assert len(made.pairs) + sum(made.skipped.values()) == len(texts) * len(PROBES)


def test_passages_are_drawn_from_those_with_a_text():
    qrels = {"1": {f"d{n}": n % 3 for n in range(30)}, "2": {"x": 0}}
    relevant = relevant_passages([TEA, OTHER], qrels, 2)
    assert relevant == {"1": sorted(f"d{n}" for n in range(30) if n % 3 == 2)}
    texts = dict.fromkeys(relevant["1"][:6], "text") | {"d2": " "}
    drawn = draw_passages(relevant, texts, 4, 1)
    assert len(drawn["1"]) == 4 and set(drawn["1"]) <= texts.keys() - {"d2"}
    assert draw_passages(relevant, texts, 4, 1) == drawn
    assert draw_passages(relevant, {}, 4) == {}


def test_unknown_probes_and_compositions_with_them():
    with pytest.raises(InputError, match="unknown probe 'probe-foul'. Nearest: probe-foil.*Available: probe-brevity"):
        resolve_probes(["probe-foul"])
    with pytest.raises(InputError, match="no probe given"):
        resolve_probes([])
    assert [probe.name for probe in resolve_probes(["all"])] == list(PROBES)
    with pytest.raises(InputError, match="probe-foil changes passages"):
        resolve("typo-mixed+probe-foil")
    with pytest.raises(InputError, match="cannot be composed"):
        resolve_probes(["probe-foil+typo-mixed"])
