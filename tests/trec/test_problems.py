"""Counts in messages."""

import pytest

from instrerank.trec.problems import counted


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [(0, "topic", "0 topics"), (1, "query", "1 query"), (2, "distinct query", "2 distinct queries")],
)
def test_a_noun_agrees_with_its_number(number, noun, words):
    assert counted(number, noun) == words
