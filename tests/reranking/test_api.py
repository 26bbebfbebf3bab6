from types import SimpleNamespace

import pytest

from instrerank import InstructionReranker, RerankingSearcher
from instrerank.collections import open_passages
from instrerank.errors import InputError
from instrerank.reranking import Fusion, Windows, api


class LuceneDocument:
    def __init__(self, raw):
        self.raw = raw

    def get(self, field):
        return self.raw if field == "raw" else None


def lucene_hit(docid, score, text, number=7):
    """A hit as pyserini 0.24 and later give it."""
    raw = f'{{"id": "{docid}", "contents": "{text}"}}'
    return SimpleNamespace(docid=docid, score=score, lucene_docid=number, lucene_document=LuceneDocument(raw))


HITS = [lucene_hit("a", 9.0, "the sun"), lucene_hit("b", 8.0, "moon and sun and moon"), lucene_hit("c", 7.0, "moon")]


@pytest.fixture
def reranker(bag_of_words):
    return InstructionReranker(bag_of_words)


def test_hits_come_back_reordered_with_all_their_attributes(reranker):
    reranked = reranker.rerank("moon", HITS)
    assert [(hit.docid, hit.score) for hit in reranked] == [("b", 2.0), ("c", 1.0), ("a", 0.0)]
    assert reranked[0].lucene_docid == 7
    assert reranked[0].lucene_document is HITS[1].lucene_document
    assert not hasattr(reranked[0], "contents")


def test_the_instruction_counts(reranker):
    assert [hit.docid for hit in reranker.rerank("moon", HITS, instruction="without sun")] == ["c", "b", "a"]


@pytest.mark.parametrize(
    "hits",
    [
        [("a", "the sun"), ("b", "moon and sun and moon"), ("c", "moon")],
        [
            SimpleNamespace(docid="a", score=3.0, contents="the sun", raw=None),
            SimpleNamespace(docid="b", score=2.0, contents=None, raw="moon and sun and moon"),
            SimpleNamespace(docid="c", score=1.0, contents=None, raw='{"_id": "c", "text": "moon"}'),
        ],
    ],
    ids=["pairs", "hits of pyserini 0.23 and earlier"],
)
def test_other_kinds_of_hits(reranker, hits):
    assert [hit.docid for hit in reranker.rerank("moon", hits)] == ["b", "c", "a"]


def test_hits_without_text_ask_for_it(reranker):
    dense = [SimpleNamespace(docid="a", score=0.9), SimpleNamespace(docid="b", score=0.8)]
    with pytest.raises(InputError, match="no text for 2 hits: a, b; give `texts`"):
        reranker.rerank("moon", dense)
    texts = {"a": "the sun", "b": "moon"}
    assert [hit.docid for hit in reranker.rerank("moon", dense, texts=texts)] == ["b", "a"]


def test_texts_are_looked_up_once_for_what_was_found(reranker, tmp_path):
    (tmp_path / "passages.tsv").write_text("a\tthe sun\nb\tmoon\nc\ttides\n")
    source = open_passages(tmp_path / "passages.tsv")
    dense = [SimpleNamespace(docid="a", score=0.9), SimpleNamespace(docid="b", score=0.8)]
    assert [hit.docid for hit in reranker.rerank("moon", dense, texts=source)] == ["b", "a"]
    assert reranker.encoder.passages == ["the sun", "moon"]


def test_dictionaries_of_hits(reranker):
    hits = {"01": HITS, "2": HITS[:2], "3": []}
    reranked = reranker.rerank_by_qid({"3": "tide", "01": "moon", "2": "moon"}, hits, {"2": "without moon"})
    assert {qid: [hit.docid for hit in ranking] for qid, ranking in reranked.items()} == {
        "01": ["b", "c", "a"],
        "2": ["a", "b"],
        "3": [],
    }
    with pytest.raises(InputError, match="1 of 3 qids have hits but no query: 2"):
        reranker.rerank_by_qid({"01": "moon", "3": "tide"}, hits)


def test_duplicates_and_unequal_lists_are_refused(reranker):
    with pytest.raises(InputError, match="duplicate docid among its 2 hits"):
        reranker.rerank("moon", [HITS[0], HITS[0]])
    with pytest.raises(InputError, match="must have the same length, got 2, 1 and 2"):
        reranker.rerank_batch(["moon", "sun"], [HITS])


def test_fusion_and_windows_take_part(bag_of_words):
    interpolated = InstructionReranker(bag_of_words, fusion=Fusion("interpolate", alpha=0.75))
    assert [(hit.docid, hit.score) for hit in interpolated.rerank("moon", HITS)] == [
        ("a", 0.75 * 9.0),
        ("b", 0.75 * 8.0 + 0.25 * 2.0),
        ("c", 0.75 * 7.0 + 0.25 * 1.0),
    ]
    best_word = InstructionReranker(bag_of_words, windows=Windows(length=1, stride=1))
    assert [(hit.docid, hit.score) for hit in best_word.rerank("moon", HITS)] == [("c", 1.0), ("b", 1.0), ("a", 0.0)]


def test_no_hits_no_ranking(reranker):
    assert reranker.rerank("moon", []) == []


class Searcher:
    """Pyserini's searcher as far as scripts see it."""

    num_docs = 3

    def search(self, query, k=10, fields=None):
        self.asked = (query, k, fields)
        return HITS[:k]

    def batch_search(self, queries, qids, k=10, threads=1):
        return {qid: HITS[:k] for qid, query in zip(qids, queries, strict=True) if query != "nothing"}


def test_searcher_is_a_drop_in(reranker):
    searcher = RerankingSearcher(Searcher(), reranker, hits=2)
    assert searcher.num_docs == 3
    assert [hit.docid for hit in searcher.search("moon", k=1, fields={"t": 1})] == ["b"]
    assert searcher.searcher.asked == ("moon", 2, {"t": 1})
    assert len(searcher.search("moon", k=3)) == 3


def test_batch_search_keeps_qids_and_encodes_each_passage_once(reranker):
    searcher = RerankingSearcher(Searcher(), reranker)
    found = searcher.batch_search(
        ["moon", "nothing", "sun"], ["01", "2", "3"], k=2, instructions=["", "", "without moon"]
    )
    assert {qid: [hit.docid for hit in hits] for qid, hits in found.items()} == {
        "01": ["b", "c"],
        "2": [],
        "3": ["a", "c"],
    }
    assert len(reranker.encoder.passages) == 3


def test_importing_the_package_brings_neither_torch_nor_java():
    import subprocess
    import sys

    code = "import instrerank, sys; assert not {'torch', 'jnius', 'numpy', 'pyserini'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_from_pretrained_loads_any_kind_with_passages_to_calibrate_on(monkeypatch, bag_of_words):
    given = {}
    monkeypatch.setattr(api, "load_scorer", lambda name, **options: given.update(options) or bag_of_words)
    InstructionReranker.from_pretrained("words", dtype="int8-openvino", kind="biencoder")
    texts = list(given.pop("calibration")())
    assert len(texts) == 100 and all(texts)
    assert given == {"dtype": "int8-openvino", "kind": "biencoder"}


def test_batch_search_wants_a_qid_of_its_own_for_each_query(reranker):
    searcher = RerankingSearcher(None, reranker)
    for qids, message in ((["1"], "2 queries, but 1 qid:"), (["1", "1"], "duplicate qids 1: give each query")):
        with pytest.raises(InputError, match=message):
            searcher.batch_search(["moon", "sun"], qids)
