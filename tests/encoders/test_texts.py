"""The strings that reach the tokenizer, letter by letter."""

import pytest

from instrerank.encoders.families.profiles import EncoderProfile
from instrerank.encoders.families.table import FAMILIES
from instrerank.encoders.texts import (
    EncoderText,
    passage_text,
    place_instruction,
    prefix_of,
    query_alone,
    query_text,
)
from instrerank.errors import InputError

WEB = "Given a web search query, retrieve relevant passages that answer the query"
ANSWER = "Given a query, retrieve documents that answer the query"
HELP = "Given a question, retrieve passages that can help answer the question."
REPRESENT = "Represent this sentence for searching relevant passages: "

# family: (query "what is x" with the instruction "Only y.", without, the passage "Z"), after the model cards
GOLDEN = {
    "e5": ("query: what is x Only y.", "query: what is x", "passage: Z"),
    "multilingual-e5": ("query: what is x Only y.", "query: what is x", "passage: Z"),
    "e5-instruct": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "e5-mistral": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "gte-qwen2": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "nv-embed": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "qwen3-embedding": ("Instruct: Only y.\nQuery:what is x", f"Instruct: {WEB}\nQuery:what is x", "Z"),
    "bge-llm": ("<instruct>Only y.\n<query>what is x", f"<instruct>{WEB}\n<query>what is x", "Z"),
    "inf-embed": ("what is x Only y.", "what is x", "Z"),
    "bge": (f"{REPRESENT}what is x Only y.", f"{REPRESENT}what is x", "Z"),
    "bge-m3": ("what is x Only y.", "what is x", "Z"),
    "gte": ("what is x Only y.", "what is x", "Z"),
    "gte-modernbert": ("what is x Only y.", "what is x", "Z"),
    "gte-v1.5": ("what is x Only y.", "what is x", "Z"),
    "modernbert": ("what is x Only y.", "what is x", "Z"),
    "contriever": ("what is x Only y.", "what is x", "Z"),
    "tas-b": ("what is x Only y.", "what is x", "Z"),
    "arctic-embed": (f"{REPRESENT}what is x Only y.", f"{REPRESENT}what is x", "Z"),
    "arctic-embed-v2": ("query: what is x Only y.", "query: what is x", "Z"),
    "instructor": (
        "Only y.what is x",
        "Represent the Wikipedia question for retrieving supporting documents: what is x",
        "Represent the Wikipedia document for retrieval: Z",
    ),
    "gritlm": ("<|user|>\nOnly y.\n<|embed|>\nwhat is x", "<|embed|>\nwhat is x", "<|embed|>\nZ"),
    "repllama": ("query:  what is x Only y.", "query:  what is x", "passage:  Z"),
    "promptriever": ("query:  what is x? Only y.", "query:  what is x", "passage:  Z"),
    "linq-embed": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "sfr-embedding": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "harrier": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "bge-reasoner": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "inf-retriever": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "llama-embed-nemotron": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "jasper": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}\nQuery: what is x", "Z"),
    "f2llm": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {HELP}\nQuery: what is x", "Z"),
    "stella-v5": ("Instruct: Only y.\nQuery: what is x", f"Instruct: {WEB}.\nQuery: what is x", "Z"),
    "diver-retriever": ("Instruct: Only y.\nQuery:what is x", f"Instruct: {WEB}\nQuery:what is x", "Z"),
    "rtriever": ("Instruct: Only y.\nQuery:what is x", f"Instruct: {WEB}\nQuery:what is x", "Z"),
    "qzhou-embedding": ("Instruct: Only y.\nQuery:what is x", f"Instruct: {WEB}\nQuery:what is x", "Z"),
    "octen-embedding": ("Instruct: Only y.\nQuery:what is x", f"Instruct: {WEB}\nQuery:what is x", " Z"),
    "kalm-embedding-v2": ("Instruct: Only y. \n Query: what is x", f"Instruct: {ANSWER} \n Query: what is x", "Z"),
    "kalm-embedding-v2.5": ("Instruct: Only y. \n Query: what is x", f"Instruct: {ANSWER} \n Query: what is x", "Z"),
    "youtu-embedding": (
        "Instruction: Only y. \nQuery: what is x",
        "Instruction: Given a search query, retrieve passages that answer the question \nQuery: what is x",
        "Z",
    ),
    "reasonir": ("<|user|>\nOnly y.\n<|embed|>\nwhat is x", "<|embed|>\nwhat is x", "<|embed|>\nZ"),
    "embeddinggemma": (
        "task: search result | query: what is x Only y.",
        "task: search result | query: what is x",
        "title: none | text: Z",
    ),
    "nemotron-3-embed": ("query: what is x Only y.", "query: what is x", "passage: Z"),
    "nomic-embed": ("search_query: what is x Only y.", "search_query: what is x", "search_document: Z"),
    "nomic-embed-v2": ("search_query: what is x Only y.", "search_query: what is x", "search_document: Z"),
    "mxbai-embed": (f"{REPRESENT}what is x Only y.", f"{REPRESENT}what is x", "Z"),
    "granite-embedding-r2": ("what is x Only y.", "what is x", "Z"),
    "jina-embeddings-v3": (
        "Represent the query for retrieving evidence documents: what is x Only y.",
        "Represent the query for retrieving evidence documents: what is x",
        "Represent the document for retrieval: Z",
    ),
    "jina-embeddings-v4": ("Query: what is x Only y.", "Query: what is x", "Passage: Z"),
    "jina-embeddings-v5": ("Query: what is x Only y.", "Query: what is x", "Document: Z"),
}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.profile.family}-{family.networks}")
def test_golden_strings(family):
    with_instruction, alone, passage = GOLDEN[family.profile.family]
    assert query_text(family.profile, "what is x", "Only y.").text == with_instruction
    assert query_text(family.profile, "what is x").text == alone
    assert query_text(family.profile, "what is x", "  ").text == alone
    assert passage_text(family.profile, "Z").text == passage


def test_every_golden_family_exists():
    assert {family.profile.family for family in FAMILIES} == set(GOLDEN)


@pytest.mark.parametrize(("query", "expected"), [("a?", "a? I"), ("a. ", "a.  I"), ("a!", "a! I"), ("a", "a? I")])
def test_promptriever_closes_a_query_without_punctuation(query, expected):
    profile = EncoderProfile("p", "last", "{q}{?} {i}")
    assert query_text(profile, query, "I").text == expected


def test_prefix_is_what_comes_before_the_text():
    profile = EncoderProfile("p", "mean", "<{i}> {q}", passage_template="doc: {d}")
    assert query_text(profile, "q", "i").prefix == "<i> "
    assert passage_text(profile, "z").prefix == "doc: "


def test_what_comes_from_the_template_is_known():
    profile = EncoderProfile("p", "mean", "q: {q}[SEP]{i}", passage_template="{d}")
    text = query_text(profile, "[SEP]", "{q}")
    assert text.text == "q: [SEP][SEP]{q}"
    assert text.fields == ((3, 8), (13, 16)) and passage_text(profile, "[SEP]").fields == ((0, 5),)
    assert prefix_of(text) == EncoderText("q: ", fields=((0, 0),))  # all of it is the template's
    turned = query_text(EncoderProfile("p", "mean", "i: {i} {q}"), "query", "ab")
    assert prefix_of(turned) == EncoderText("i: ab ", fields=((3, 5),))


def test_braces_in_texts_stay_what_they_are():
    profile = EncoderProfile("p", "mean", "{q} | {i}")
    assert query_text(profile, "{i} {q}", "{q} {x} {?}").text == ("{i} {q} | {q} {x} {?}")
    assert passage_text(profile, "{d} {}").text == "{d} {}"


@pytest.mark.parametrize(("template", "alone"), [("q: {q} // {i}", "q: q"), ("{i} // {q}.", "q.")])
def test_without_instruction_the_separator_goes(template, alone):
    assert query_text(EncoderProfile("p", "mean", template), "q").text == alone


def test_a_template_that_needs_an_instruction_says_so():
    profile = EncoderProfile("p", "mean", "Instruct: {i} Query: {q}")
    with pytest.raises(InputError, match="needs an instruction"):
        query_text(profile, "q")


def test_an_instruction_never_disappears():
    with pytest.raises(InputError, match="the encoder would not see the instruction"):
        query_text(EncoderProfile("p", "mean", "query: {q}"), "q", "only y")


def test_query_alone_takes_no_default_instruction():
    profile = EncoderProfile("p", "mean", "{q} {i}", default_instruction="default")
    assert query_text(profile, "q").text == "q default"
    assert query_alone(profile, "q").text == "q"


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_empty_texts_are_refused(empty):
    profile = EncoderProfile("p", "mean")
    with pytest.raises(InputError, match="empty query"):
        query_text(profile, empty, "only y")
    with pytest.raises(InputError, match="empty passage"):
        passage_text(profile, empty)


@pytest.mark.parametrize(
    ("template", "more", "slot", "after", "both", "alone"),
    [
        ("{q} {i}", {}, "a? Only b.", "a? Only b.", "a? Only b. Only b.", "a?"),
        ("query: {q} {i}", {}, "query: a? Only b.", "query: a? Only b.", "query: a? Only b. Only b.", "query: a?"),
        (
            "Instruct: {i}\nQuery: {q}",
            {"default_instruction": "Find."},
            "Instruct: Only b.\nQuery: a?",
            "Instruct: Find.\nQuery: a? Only b.",
            "Instruct: Only b.\nQuery: a? Only b.",
            "Instruct: Find.\nQuery: a?",
        ),
        (
            "<|user|>\n{i}\n<|embed|>\n{q}",
            {"query_only_template": "<|embed|>\n{q}"},
            "<|user|>\nOnly b.\n<|embed|>\na?",
            "<|embed|>\na? Only b.",
            "<|user|>\nOnly b.\n<|embed|>\na? Only b.",
            "<|embed|>\na?",
        ),
    ],
)
def test_where_an_instruction_stands(template, more, slot, after, both, alone):
    profile = EncoderProfile("f", "mean", template, **more)
    for placement, expected in {"slot": slot, "after": after, "both": both}.items():
        placed = place_instruction(profile, placement)
        assert query_text(placed, "a?", "Only b.").text == expected
        assert query_text(placed, "a?").text == alone
    assert place_instruction(profile, "slot") is profile


def test_a_template_without_a_slot_has_place_after_the_query():
    profile = EncoderProfile("f", "mean", "query: {q}")
    with pytest.raises(InputError, match="has no {i}"):
        query_text(profile, "a?", "Only b.")
    assert query_text(place_instruction(profile, "after"), "a?", "Only b.").text == "query: a? Only b."
    with pytest.raises(InputError, match="has no {i}"):
        place_instruction(EncoderProfile("f", "mean", "{q}", default_instruction="Find."), "after")
    with pytest.raises(InputError, match="has no {i}"):
        place_instruction(profile, "both")


def test_no_placement_for_attention():
    profile = EncoderProfile("f", "mean", query_encoding="attention")
    with pytest.raises(InputError, match="`instruction_placement` after is for templates"):
        place_instruction(profile, "after")
