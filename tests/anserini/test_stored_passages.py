"""Stored texts come out as they went in, whatever carries them."""

from types import SimpleNamespace

import pytest

from instrerank.anserini import IndexPassages, hit_text
from instrerank.anserini.passages import stored_text
from instrerank.errors import InputError


@pytest.mark.java
def test_every_passage_comes_back_to_the_letter(index, passages):
    stored = IndexPassages(index)
    assert stored.name == str(index)
    assert set(stored) == {passage for passage in passages if passage.docid != "blank"}


@pytest.mark.java
def test_lookup_leaves_out_what_is_not_there(index):
    assert IndexPassages(index).lookup(["7", "07", "blank", "é😀", "99"]) == {
        "7": "Bread, in a hot oven, bakes.",
        "07": "Bread rises twice before it bakes.",
        "é😀": "A rocket 😀 went up \u0085 and \u2028 came down.",
    }


@pytest.mark.java
def test_an_index_without_stored_texts_says_so(index):
    passages = IndexPassages(index)
    document = SimpleNamespace(get=lambda field: "7" if field == "id" else None)
    passages._java = SimpleNamespace(get_total_num_docs=lambda: 1, doc=lambda _: document)
    with pytest.raises(InputError, match=r"stores no passage texts .* `corpus`"):
        passages.lookup(["7"])
    with pytest.raises(InputError, match=r"stores no passage texts"):
        list(passages)


RAW = '{"id": "1", "contents": "bread bakes"}'


@pytest.mark.parametrize(
    "hit",
    [
        SimpleNamespace(docid="1", score=1.0, contents="x", raw=RAW),
        SimpleNamespace(docid="1", score=1.0, contents="bread bakes", raw=None),
        SimpleNamespace(docid="1", score=1.0, lucene_document={"raw": RAW}),
        SimpleNamespace(docid="1", score=1.0, lucene_document={"contents": "bread bakes"}),
        SimpleNamespace(docid=lambda: "1", raw=lambda: RAW, contents=lambda: None, lucene_document=lambda: None),
    ],
    ids=["pyserini 0.23, raw", "pyserini 0.23, contents", "hit, raw", "hit, contents", "document"],
)
def test_hits_of_every_pyserini_are_read(hit):
    assert hit_text(hit) == "bread bakes"


def test_a_dense_hit_has_no_text():
    assert hit_text(SimpleNamespace(docid="1", score=1.0)) is None


@pytest.mark.parametrize(
    ("raw", "contents", "text"),
    [
        ('{"_id": "1", "title": "Bread", "text": "It bakes.", "metadata": {}}', None, "Bread It bakes."),
        ('{"id": 7, "contents": "Bread\\nIt bakes."}', "another", "Bread\nIt bakes."),
        ("<DOC>Bread</DOC>", None, "<DOC>Bread</DOC>"),
        ("<DOC>Bread</DOC>", "Bread", "Bread"),
        ("1912", None, "1912"),
        (None, "Bread", "Bread"),
        (None, None, None),
    ],
)
def test_the_text_of_stored_fields(raw, contents, text):
    assert stored_text("1", raw, contents) == text


def test_stored_json_without_a_text_is_named():
    with pytest.raises(InputError, match="stored document 1: expected"):
        stored_text("1", '{"id": "1", "vector": [1]}', None)
