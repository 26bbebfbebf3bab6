"""An index is searched with the analyzer that built it, and only BM25's indexes are searched at all."""

import logging

import pytest

import instrerank as ir
from instrerank.anserini import LANGUAGES, Analysis, BM25Searcher, build_index
from instrerank.errors import InputError
from instrerank.trec import Passage

GERMAN = [Passage("1", "Die Häuser stehen am Hafen."), Passage("2", "Ein Schiff verlässt die Häfen.")]
ENGLISH = [Passage("1", "the tides are rising"), Passage("2", "running-dogs and the sleeping cats")]


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexes") / "german"
    ir.build_index(GERMAN, folder, language="de")
    return folder


@pytest.fixture
def unrecorded(tmp_path):
    """Build an index as Anserini would, which records nothing."""

    def build(passages, **options):
        build_index(passages, tmp_path / "index", analysis=Analysis(**options))
        (tmp_path / "index" / "instrerank.yaml").unlink()
        return tmp_path / "index"

    return build


def found(searcher, query):
    return [document.docid for document in searcher.search(query)]


@pytest.mark.java
def test_an_index_records_its_analyzer_and_is_searched_with_it(german):
    searcher = BM25Searcher(german)
    assert searcher.analyzer == "org.apache.lucene.analysis.de.GermanAnalyzer"
    assert (found(searcher, "haus"), found(searcher, "die")) == (["1"], [])
    assert BM25Searcher(german, language="de").search("haus") == searcher.search("haus")


@pytest.mark.java
@pytest.mark.parametrize("chosen", [{"language": "en"}, {"language": "fr"}])
def test_another_analyzer_than_the_recorded_one_is_refused(german, chosen):
    with pytest.raises(InputError, match=f"built with language de, .* searched with language {chosen['language']}"):
        BM25Searcher(german, **chosen)


@pytest.mark.java
@pytest.mark.parametrize(
    ("options", "query", "hits"),
    [
        ({"stemmer": "none", "keep_stopwords": True}, "rising", ["1"]),
        ({"keep_stopwords": True}, "the", ["1", "2"]),
        ({"stemmer": "krovetz"}, "cat", ["2"]),
        ({"pretokenized": True}, "running-dogs", ["2"]),
        ({"language": "sw"}, "tides", ["1"]),
    ],
)
def test_an_index_without_a_record_is_searched_as_the_options_say(unrecorded, caplog, options, query, hits):
    searcher = BM25Searcher(unrecorded(ENGLISH, **options), **options)
    assert sorted(found(searcher, query)) == hits
    assert not caplog.records


@pytest.mark.java
def test_an_index_that_the_analyzer_did_not_build_is_warned_of(unrecorded, caplog):
    with caplog.at_level(logging.WARNING):
        BM25Searcher(unrecorded(GERMAN, language="de"))
    assert "of the terms of its first passages, analysed with language en, are not in the index" in caplog.text


@pytest.mark.java
def test_an_index_of_impacts_is_refused(unrecorded, monkeypatch):
    monkeypatch.setattr(Analysis, "index_options", lambda self: ["-impact", "-pretokenized"])
    index = unrecorded([Passage("1", "tide tide tide sea"), Passage("2", "sea sea")])
    with pytest.raises(InputError, match="stores impacts .* BM25 cannot search it"):
        BM25Searcher(index)


@pytest.mark.java
def test_passages_of_one_term_each_are_not_impacts(tmp_path):
    build_index([Passage("1", "tide"), Passage("2", "sea")], tmp_path / "index")
    assert found(BM25Searcher(tmp_path / "index"), "sea") == ["2"]


def test_a_faiss_index_is_named(tmp_path):
    for name in ("docid", "index"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="is a Faiss index of vectors: BM25 cannot search it"):
        BM25Searcher(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "xx"}, "`language` must be one of ar, bn, .*; got 'xx'"),
        ({"stemmer": "snowball"}, "`stemmer` must be one of porter, krovetz, none"),
        ({"language": "de", "stemmer": "none"}, "apply only to English"),
        ({"pretokenized": True, "keep_stopwords": True}, "apply only to English"),
        ({"pretokenized": True, "language": "zh"}, "leave out `language`"),
    ],
)
def test_options_that_anserini_does_not_combine_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        Analysis(**options)


@pytest.mark.parametrize("record", ["", "[1]", "analysis: de", "analysis: {language: xx}", "analysis: {stem: no}"])
def test_a_damaged_record_is_named(tmp_path, record):
    (tmp_path / "segments_1").touch()
    (tmp_path / "instrerank.yaml").write_text(record)
    with pytest.raises(InputError, match=r"instrerank.yaml is not the record of an index"):
        BM25Searcher(tmp_path)


def test_english_is_the_default_of_every_option():
    assert Analysis().language in LANGUAGES
    assert (str(Analysis()), str(Analysis(keep_stopwords=True))) == ("language en", "keep_stopwords")
    assert Analysis().index_options() == ["-language", "en", "-stemmer", "porter"]
