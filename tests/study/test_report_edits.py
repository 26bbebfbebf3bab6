"""Edits marked in the text, held against what the perturbations themselves log."""

import random

import pytest

from instrerank.perturbations import resolve
from instrerank.study.report.edits import marked, visible
from instrerank.trec.types import Topic


def test_a_later_edit_of_what_an_earlier_one_put_in():
    edits = [
        {"kind": "insert", "position": 1, "before": "", "after": "xyz"},
        {"kind": "delete", "position": 2, "before": "yz", "after": ""},
        {"kind": "swap", "position": 0, "before": "ax", "after": "xa"},
    ]
    assert marked("ab", edits) == [("deleted", "a"), ("inserted", "xa"), ("kept", "b")]


def test_no_edit_and_edits_at_the_ends():
    assert marked("tea", []) == [("kept", "tea")]
    edits = [
        {"kind": "append", "position": 3, "before": "", "after": "?"},
        {"kind": "delete", "position": 0, "before": "t", "after": ""},
    ]
    assert marked("tea", edits) == [("deleted", "t"), ("kept", "ea"), ("inserted", "?")]


@pytest.mark.parametrize(
    "name", ["typo-mixed:edits=4", "word-shuffle", "unicode-zero-width", "polite", "stopword-removal", "synonym"]
)
def test_segments_join_to_both_texts(name):
    topic = Topic("1", "how to stop the quick brown bicycle chain from rusting in the rain")
    for seed in range(20):
        done = resolve(name).apply(topic, random.Random(seed))
        segments = marked(topic.text, [edit._asdict() for edit in done.edits])
        assert "".join(text for kind, text in segments if kind != "inserted") == topic.text
        assert "".join(text for kind, text in segments if kind != "deleted") == done.topic.text


def test_what_cannot_be_seen_or_told_apart_is_named():
    assert visible("te\u200ba\n") == "te[U+200B]a[U+000A]"
    assert visible("\u0455") == "\u0455 [U+0455]"
    assert visible("naïve tea") == "naïve tea"
