"""What becomes of an answer: one line of text, or a reason."""

import pytest

from instrerank.perturbations.llm.endpoint import Answer
from instrerank.perturbations.llm.reading import read_variant


def read(text, original="green tea in Japan", finish="stop"):
    return tuple(read_variant(Answer(text, finish), original))


@pytest.mark.parametrize(
    "text",
    [
        "tea of Japan", "  tea   of Japan \n", '"tea of Japan"', "“tea of Japan”", "'tea of Japan'",
        "**tea of Japan**", "`tea of Japan`", "```\ntea of Japan\n```", "```text\ntea of Japan\n```",
        "- tea of Japan", "1. tea of Japan",
        "Query: tea of Japan", "**Rewritten query:** tea of Japan", 'Rewritten search query: "tea of Japan"',
        "Here is the rewritten query:\n\ntea of Japan", "<think>They want tea.\n\nOr not.</think>\n\ntea of Japan",
        "Sure, here it is:\n```\ntea of Japan\n```",
    ],
)  # fmt: skip
def test_what_is_around_the_text_is_taken_off(text):
    assert read(text) == ("tea of Japan", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"), (" \n\t\n", "empty"), ("```\n```", "empty"), ("<think>hm</think>", "empty"),
        ("Query:", "empty"),
        ("I'm sorry, but I can't help with that.", "refusal"), ("I’m sorry, but I cannot assist.\n\nHere:", "refusal"),
        ("As an AI language model, I do not search.", "refusal"), ("I cannot rewrite this query.", "refusal"),
        ("I am unable to help with this.", "refusal"), ("Unfortunately, I can't provide that.", "refusal"),
        ("tea of Japan\nJapanese tea", "several-lines"), ("1. tea of Japan\n2. Japanese tea", "several-lines"),
        ("tea\x00 of Japan", "unreadable"), ("tea \ufffd of Japan", "unreadable"), ("\x1b[31mtea", "unreadable"),
        ("tea " * 53, "too-long"), ("green tea in Japan", "same"), ('"green tea in  Japan"', "same"),
    ],
)  # fmt: skip
def test_what_is_rejected(text, reason):
    assert read(text) == ("", reason)


def test_why_the_answer_ended_counts():
    assert read("tea of", finish="length") == ("", "cut-off")
    assert read("tea of", finish="content_filter") == ("", "refusal")


@pytest.mark.parametrize(
    ("text", "original"),
    [
        ("I can't sleep at night, what helps", "insomnia remedies"),
        ("sorry seems to be the hardest word", "elton john sorry"),
        ("Query: optimisation in SQL", "query: optimization in sql"), ('"to be or not to be" author', "who wrote it"),
        ('"a" versus "b"', "a or b"), ("2. sonata by Chopin", "chopin second sonata"),
        ("tea " * 52 + "x", "a b c d e"),
        ("ما هي عاصمة مصر", "عاصمة مصر"), ("tea 👩‍👩‍👧 best", "best tea"),
    ],
)  # fmt: skip
def test_what_belongs_to_the_text_stays(text, original):
    assert read(text, original) == (text, "")
