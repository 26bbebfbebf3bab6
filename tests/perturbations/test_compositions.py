"""Compositions: parts applied in turn, each with its own draws."""

import json

import pytest

from instrerank.errors import InputError
from instrerank.perturbations import perturb, query_set, resolve, write_query_set
from instrerank.perturbations.attack import Attack
from instrerank.trec.types import Topic

TOPIC = Topic("7", "how do goldfish sleep at night", "Relevant passages name two sources.")


def changed(spec, seed=1, topics=(TOPIC,)):
    return list(perturb(list(topics), resolve(spec), seed))


@pytest.mark.parametrize("seed", range(5))
def test_a_part_draws_what_it_draws_alone(seed):
    [typo] = changed("typo-mixed", seed)
    [injected] = changed("injection-task-front", seed)
    [both] = changed("typo-mixed+injection-task-front", seed)
    payload = injected.topic.text.removesuffix(TOPIC.text)
    assert both.topic.text == payload + typo.topic.text
    assert both.edits[: len(typo.edits)] == typo.edits


def test_seeds_and_parts_draw_independently():
    texts = {changed("typo-mixed+word-swap", seed)[0].topic.text for seed in range(12)}
    assert len(texts) > 8
    # were both parts drawn from one generator, two kinds of typo would always hit the same word
    words = [
        [at for at, (old, new) in enumerate(zip(TOPIC.text.split(), text.split(), strict=True)) if old != new]
        for text in (changed("typo-swap+typo-delete", seed)[0].topic.text for seed in range(12))
    ]
    assert {len(found) for found in words} == {1, 2}


def test_the_order_matters_and_options_go_with_their_part():
    [one] = changed("case-upper+injection-role-back")
    [other] = changed("injection-role-back+case-upper")
    assert one.topic.text.startswith("HOW DO GOLDFISH") and not one.topic.text.isupper()
    assert other.topic.text.isupper()
    both = resolve("typo-mixed:edits=2+typo-swap:on=instruction")
    assert both.name == "typo-mixed-edits-2+typo-swap-on-instruction"
    assert both.fields == {"text", "instruction"} and both.changes == "instruction"


@pytest.mark.parametrize(
    ("spec", "expects", "family", "seeded", "review"),
    [
        ("case-upper+stopword-removal", "invariance", "case+naturality", False, False),
        ("typo-mixed+negation", "directional", "typo+negation", True, False),
        ("typo-mixed+instruction-swapped", "indifference", "typo+instruction", True, False),
        ("negation+instruction-none", "ablation", "negation+instruction", False, False),
        ("typo-swap+typo-delete", "invariance", "typo", True, False),
        ("case-upper+synonym", "invariance", "case+synonym", True, True),
    ],
)
def test_what_is_expected_of_the_parts_together(spec, expects, family, seeded, review):
    both = resolve(spec)
    assert (both.expects, both.family, both.seeded, both.needs_review) == (expects, family, seeded, review)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            "typo-mixed+injection-task-frnt",
            "unknown perturbation 'injection-task-frnt'. Nearest: injection-task-front",
        ),
        ("typo-mixed+typo-mixed", "typo-mixed is a duplicate part"),
        ("typo-swap:on=instruction+instruction-generic", "put instruction-generic first"),
        ("instruction-before+typo-swap:on=instruction", "put instruction-before last"),
        ("typo-mixed+recorded:file=a+b.tsv", "discards what typo-mixed changed"),
    ],
)
def test_compositions_that_would_not_do_what_they_say(spec, said):
    with pytest.raises(InputError, match=said.replace("+", r"\+")):
        resolve(spec)


def test_a_plus_in_the_name_of_a_file_is_not_a_composition(tmp_path):
    file = tmp_path / "a+b.tsv"
    file.write_text("qid\tmethod\ttext\n7\tmine\tsleeping goldfish\n")
    assert changed(f"recorded:file={file}+case-upper")[0].topic.text == "SLEEPING GOLDFISH"


def test_a_part_that_uses_other_topics_sees_the_clean_ones():
    topics = [TOPIC, Topic("8", "green tea", "Only oolong is relevant.")]
    both = changed("typo-mixed+instruction-swapped", topics=topics)
    assert [one.topic.instruction for one in both] == [topic.instruction for topic in reversed(topics)]
    assert all(one.topic.text != topic.text for one, topic in zip(both, topics, strict=True))


def test_the_query_set_records_the_parts(tmp_path):
    queries = query_set([TOPIC], resolve("case-upper+punctuation-append"), 1, "tea")
    assert queries.name == "tea.case-upper+punctuation-append.s1"
    assert queries.provenance["parts"] == ["case-upper", "punctuation-append"]
    assert "parts" not in query_set([TOPIC], resolve("case-upper"), 1).provenance
    [record] = map(json.loads, write_query_set(tmp_path, queries)[1].read_text().splitlines())
    assert (record["original"], record["text"]) == (TOPIC.text, queries.topics[0].text)


def test_parts_that_undo_each_other_leave_the_query_unchanged():
    [one] = changed("case-upper+case-lower")
    assert (one.changed, one.edits) == (False, ())


def test_an_attack_searches_compositions_of_one_field(encoder):
    Attack(encoder, resolve("typo-mixed+injection-task-front"), lambda qid, found: [0.0] * len(found))
    with pytest.raises(InputError, match="changes query and instruction"):
        Attack(encoder, resolve("typo-mixed+instruction-generic"), lambda qid, found: [0.0])
