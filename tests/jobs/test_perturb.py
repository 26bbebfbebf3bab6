"""`perturb` as a function: query sets in memory or in a folder whose index keeps what was there."""

import json

import pytest

from instrerank.errors import InputError
from instrerank.jobs.perturb import PerturbSettings, perturb, run_perturb
from instrerank.perturbations import resolve
from instrerank.trec import Topic, read_topics

TOPICS = [Topic("1", "green tea in Japan"), Topic("2", "who is it"), Topic("3", "black tea in 1999")]


def index(folder, source="topics"):
    return [json.loads(line) for line in (folder / f"querysets.{source}.jsonl").read_text().splitlines()]


def test_query_sets_without_a_file():
    sets = perturb(TOPICS, ["typo-mixed", resolve("case-upper")], seeds=range(1, 3))
    assert [each.name for each in sets] == [
        "topics.typo-mixed.s1", "topics.typo-mixed.s2", "topics.case-upper.s1",
    ]  # fmt: skip
    assert [topic.qid for topic in sets[0].topics] == ["1", "2", "3"]
    assert sets[2].topics[0].text == "GREEN TEA IN JAPAN"
    assert repr(sets[0]) == "QuerySet('topics.typo-mixed.s1', 3 topics, 2 changed)"
    assert perturb(TOPICS, "case-upper", limit=1)[0].topics == (Topic("1", "GREEN TEA IN JAPAN"),)


def test_a_query_set_is_perturbed_like_topics():
    [shouted] = perturb(perturb(TOPICS, "case-upper")[0], "repeated-query")
    assert shouted.topics[1].text == "WHO IS IT WHO IS IT"


def test_a_second_call_keeps_the_query_sets_of_the_first_in_the_index(tmp_path):
    perturb(TOPICS, ["typo-mixed", "case-upper"], output=tmp_path)
    before = index(tmp_path)
    perturb(TOPICS, ["case-lower", "typo-mixed"], output=tmp_path)
    names = [record["name"] for record in index(tmp_path)]
    assert names == ["topics.typo-mixed.s1", "topics.case-upper.s1", "topics.case-lower.s1"]
    assert index(tmp_path)[:2] == before
    perturb(TOPICS, "typo-mixed", output=tmp_path, source="other")
    assert len(index(tmp_path)) == 3
    assert len(index(tmp_path, "other")) == 1


def test_other_query_sets_of_the_same_name_are_replaced_only_on_demand(tmp_path):
    perturb(TOPICS, "typo-mixed", output=tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="`overwrite`"):
        perturb(TOPICS[:2], ["case-lower", "typo-mixed"], output=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    perturb(TOPICS[:2], "typo-mixed", output=tmp_path, overwrite=True)
    assert len(read_topics(tmp_path / "topics.topics.typo-mixed.s1.tsv")) == 2
    assert [record["topics"] for record in index(tmp_path)] == [2]


def test_an_input_is_never_an_output(tmp_path):
    perturb(TOPICS, "case-lower", output=tmp_path, source="a")
    topics = tmp_path / "topics.a.case-lower.s1.tsv"
    kept = topics.read_bytes()
    with pytest.raises(InputError, match="is also the input `topics`"):
        perturb(topics, "case-lower", output=tmp_path, source="a", overwrite=True)
    assert topics.read_bytes() == kept


def test_nothing_is_written_where_the_caller_stops_or_an_error_ends_it(tmp_path):
    sets = run_perturb(PerturbSettings(topics=TOPICS, perturbations="typo-mixed", seeds=(1, 2), output=tmp_path))
    next(sets)
    sets.close()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "querysets.topics.jsonl").write_text("[]\n")
    with pytest.raises(InputError, match="querysets.topics.jsonl:1: not a valid line of an index"):
        perturb(TOPICS, "typo-mixed", output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["querysets.topics.jsonl"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"source": "../elsewhere"}, "`source` may contain only letters"),
        ({"source": "a.b"}, "`source` may contain only letters"),
        ({"seeds": ()}, "`seeds` must be whole numbers"),
        ({"seeds": (-1,)}, "`seeds` must be whole numbers of at least 0"),
        ({"format": "csv"}, "unknown format csv. Available: tsv, jsonl"),
        ({"format": ()}, "unknown format"),
        ({"sede": 1}, "unknown parameter `sede` .nearest: `seeds`."),
        ({"instructions": {"1": "Only sencha."}}, "no instruction for 2 of 3 topics"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings, said):
    with pytest.raises(InputError, match=said):
        perturb(TOPICS, "typo-mixed", **settings)
    with pytest.raises(InputError, match="`perturbations` is empty"):
        perturb(TOPICS, [])


def test_instructions_for_some_topics():
    [swapped] = perturb(
        TOPICS, "instruction-swapped", instructions={"1": "Only sencha.", "3": "Only assam."}, missing="skip"
    )
    assert [topic.instruction for topic in swapped.topics] == ["Only assam.", "", "Only sencha."]
