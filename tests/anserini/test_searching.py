"""BM25 scores by the formula, the order, and what is refused."""

import math
import sys
from types import SimpleNamespace

import pytest

from instrerank.anserini import BM25Searcher, build_index, indexes, start_jvm
from instrerank.errors import InputError, MissingPrerequisiteError
from instrerank.trec import Passage, Topic

pytestmark = pytest.mark.java

# terms of each passage of the index: Porter stems, without Lucene's English stop words
LENGTHS = {"d1": 3, "d2": 5, "07": 5, "7": 4, "é😀": 6}


def bm25(docid, term_frequency, document_frequency, k1, b):
    """Lucene's BM25 (Robertson and Zaragoza 2009, without the constant factor k1 + 1), of one term."""
    count = len(LENGTHS)
    idf = math.log(1 + (count - document_frequency + 0.5) / (document_frequency + 0.5))
    length = LENGTHS[docid] / (sum(LENGTHS.values()) / count)
    return idf * term_frequency / (term_frequency + k1 * (1 - b + b * length))


@pytest.mark.parametrize(("k1", "b"), [(0.9, 0.4), (0.82, 0.68), (2, 0)])
def test_scores_are_those_of_the_formula(index, k1, b):
    searcher = BM25Searcher(index, k1, b)
    assert (searcher.documents, searcher.k1, searcher.b) == (5, k1, b)
    assert searcher.analyzer == "io.anserini.analysis.DefaultEnglishAnalyzer"
    found = dict(searcher.search("moon"))
    assert found == pytest.approx({"d1": bm25("d1", 1, 2, k1, b), "d2": bm25("d2", 2, 2, k1, b)}, abs=5e-5)


def test_the_defaults_are_anserinis(index):
    assert BM25Searcher(index).search("breads baking") == BM25Searcher(index, 0.9, 0.4).search("breads baking")


def test_ties_are_cut_as_anserini_cuts_them(tmp_path):
    build_index([Passage(docid, "the same words") for docid in ("b", "c", "a", "d")], tmp_path / "index", threads=2)
    searcher = BM25Searcher(tmp_path / "index")
    assert [document.docid for document in searcher.search("same")] == ["a", "b", "c", "d"]
    assert [document.docid for document in searcher.search("same", hits=2)] == ["a", "b"]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_batch_gives_each_topic_its_own_ranking_in_the_order_of_the_topics(index, monkeypatch, threads):
    monkeypatch.setattr("instrerank.anserini.searching._BATCH", 2)
    searcher = BM25Searcher(index)
    texts = ["tides", "moon tides", "the", "oven", ""]
    topics = [Topic(f"{number:02}", text) for number, text in enumerate(texts)]
    rankings = searcher.batch_search(topics, hits=10, threads=threads)
    assert list(rankings) == ["00", "01", "02", "03", "04"]
    assert list(rankings.values()) == [searcher.search(text, hits=10) for text in texts]
    assert [len(ranking) for ranking in rankings.values()] == [2, 2, 0, 1, 0]


def test_a_query_of_more_terms_than_lucene_takes_by_itself(index):
    words = " ".join(f"w{number}" for number in range(2000))
    assert [hit.docid for hit in BM25Searcher(index).search(f"{words} bakes")] == ["7", "07"]


def test_text_beyond_the_basic_plane_survives_java(index):
    assert [document.docid for document in BM25Searcher(index).search("😀")] == ["é😀"]


@pytest.mark.parametrize(
    ("k1", "b"), [(-0.1, 0.4), (0.9, 1.1), (0.9, -1), (math.nan, 0.4), (math.inf, 0.4), (0.9, math.nan)]
)
def test_parameters_out_of_range_are_refused(index, k1, b):
    with pytest.raises(InputError, match="`k1` must be at least 0 and `b` between 0 and 1"):
        BM25Searcher(index, k1, b)


@pytest.mark.parametrize(("hits", "threads"), [(0, 1), (10, 0)])
def test_hits_and_threads_start_from_1(index, hits, threads):
    with pytest.raises(InputError, match="must be at least 1"):
        BM25Searcher(index).batch_search([Topic("1", "moon")], hits, threads)


def test_a_duplicate_qid_is_refused(index):
    with pytest.raises(InputError, match="duplicate qids"):
        BM25Searcher(index).batch_search([Topic("1", "moon"), Topic("1", "sun")])


def test_a_folder_that_is_no_index_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a Lucene index"):
        BM25Searcher(tmp_path)
    (tmp_path / "segments_1").write_bytes(b"torn")
    with pytest.raises(InputError, match="Lucene cannot open the index"):
        BM25Searcher(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        BM25Searcher(tmp_path / "elsewhere")


@pytest.fixture
def prebuilt(monkeypatch):
    """Put Pyserini's own modules aside: a table with one name, and what fetching it does."""

    start_jvm()  # with the real pyserini's jar

    def make(download):
        tables = SimpleNamespace(TF_INDEX_INFO={"known": {}}, IMPACT_INDEX_INFO={"known.splade": {}})
        for name, module in {
            "pyserini": SimpleNamespace(prebuilt_index_info=tables),
            "pyserini.prebuilt_index_info": tables,
            "pyserini.util": SimpleNamespace(download_prebuilt_index=download),
        }.items():
            monkeypatch.setitem(sys.modules, name, module)

    return make


def test_a_prebuilt_name_is_fetched_and_what_pyserini_prints_stays_out_of_stdout(index, prebuilt, capsys):
    def download(name, verbose):
        print(f"Downloading {name}")
        return str(index)

    prebuilt(download)
    assert BM25Searcher("known").path == index
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "Downloading known\n")


def test_a_prebuilt_name_that_is_unknown_or_out_of_reach_is_told(prebuilt):
    def download(name, verbose):
        raise ValueError("Unable to download prebuilt index at any known URLs.")

    prebuilt(download)
    with pytest.raises(MissingPrerequisiteError, match=r"no such folder: known, and .* any known URLs"):
        indexes.locate_index("known")
    with pytest.raises(InputError, match=r"known.splade is Pyserini's prebuilt index of impacts .* BM25 cannot"):
        indexes.locate_index("known.splade")
    with pytest.raises(InputError, match="unknown is neither a folder"):
        indexes.locate_index("unknown")
