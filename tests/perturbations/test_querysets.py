import json

import pytest

from instrerank.errors import InputError
from instrerank.perturbations import Edit, query_set, resolve, write_query_set
from instrerank.perturbations.base import rewritten
from instrerank.perturbations.querysets import source_name
from instrerank.trec import read_topics
from instrerank.trec.types import Topic

TOPICS = [Topic("02", "green tea", "only oolong"), Topic("01", "who is it")]


def test_files(tmp_path):
    queries = query_set(TOPICS, resolve("typo-swap"), 7, "pocket")
    assert queries.name == "pocket.typo-swap.s7"
    tsv, jsonl = write_query_set(tmp_path, queries)
    assert [tsv.name, jsonl.name] == ["topics.pocket.typo-swap.s7.tsv", "topics.pocket.typo-swap.s7.jsonl"]
    assert tuple(read_topics(tsv)) == tuple(read_topics(jsonl)) == queries.topics
    first, second = map(json.loads, jsonl.read_text().splitlines())
    assert first["original"] == "green tea"
    assert first["original_instruction"] == "only oolong"
    assert first["changed"] is True
    [edit] = first["edits"]
    assert edit.keys() == {"kind", "position", "before", "after"}
    assert Edit(**edit).applied_to(TOPICS[0]).text == first["text"]
    assert second == {"qid": "01", "text": "who is it", "original": "who is it", "changed": False, "edits": []}
    assert queries.provenance["changed"] == 1
    assert queries.provenance["without_instruction"] == 1


def test_edits_of_instructions_name_their_field(tmp_path):
    [path] = write_query_set(tmp_path, query_set(TOPICS, resolve("instruction-none"), 1), ["jsonl"])
    record = json.loads(path.read_text().splitlines()[0])
    assert "instruction" not in record
    assert record["edits"] == [
        {"kind": "instruction-none", "position": 0, "before": "only oolong", "after": "", "field": "instruction"}
    ]


def test_a_text_that_tsv_cannot_bear_leaves_no_file(tmp_path):
    queries = query_set([Topic("1", "green tea", "two\nlines")], resolve("case-upper"), 1)
    with pytest.raises(InputError, match="TSV cannot represent"):
        write_query_set(tmp_path, queries, ["tsv"])
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="unknown format xml. Available: tsv, jsonl"):
        write_query_set(tmp_path, queries, ["xml"])


@pytest.mark.parametrize(
    ("topics", "name"),
    [
        ("topics.dl19.tsv", "dl19"),
        ("x/dl19/topics.tsv", "dl19"),
        ("mini.topics.tsv.gz", "mini-topics"),
        ("irds:msmarco-passage/trec-dl-2019", "msmarco-passage-trec-dl-2019"),
        ("pocket", "pocket"),
    ],
)
def test_source_names_hold_no_dots(topics, name):
    assert source_name(topics) == name


def test_rewriting_logs_the_differing_span_only():
    assert rewritten(Topic("1", "aXbXc"), "aXXc", "k").edits == (Edit("k", 2, "b", ""),)
    assert rewritten(Topic("1", "same"), "same", "k").edits == ()


def test_an_edit_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit the text of topic 1"):
        Edit("k", 3, "x", "y").applied_to(Topic("1", "abc"))
